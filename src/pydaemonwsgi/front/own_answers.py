"""What the front answers itself: files, redirects, errors and their documents, also for an application. Shell."""

import logging
from typing import TYPE_CHECKING, Final

from pydaemonwsgi.front.local_answers import error_page, local_answer
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.static_files import StaticFiles
from pydaemonwsgi.http.response import ResponseHead
from pydaemonwsgi.logs import one_line
from pydaemonwsgi.routing.decisions import Listing, MethodList, Redirection, Refusal, Static
from pydaemonwsgi.routing.paths import as_text

if TYPE_CHECKING:
    from pydaemonwsgi.front.answering import Answering
    from pydaemonwsgi.front.server import FrontServer

__all__ = ["OwnAnswers"]

logger = logging.getLogger(__name__)

_FORBIDDEN: Final = 403
_SERVER_ERROR: Final = 500
_UNKNOWN_METHOD: Final = 501
# Bytes of a URL that the error log has.
_TOLD: Final = 500
# LimitInternalRecursion of httpd, for applications that send a request on.
_MOST_REDIRECTS: Final = 10
# What of an application's answer goes with the page that is shown in its place, as under httpd: a browser that is
# not told how to log in cannot, and a cookie is set by whoever answers.
_KEPT: Final = ((b"set-cookie", "Set-Cookie"), (b"www-authenticate", "WWW-Authenticate"))

Headers = tuple[tuple[str, str], ...]


class OwnAnswers:
    """Answers clients in the front's own words.

    Args:
        front: the front.
        static_files: answers for files.
    """

    def __init__(self, front: "FrontServer", static_files: StaticFiles) -> None:
        self._front = front
        self._static_files = static_files

    def answer(self, client: "Answering", route: Route) -> None:
        """Answer what no daemon process answers."""
        match route.decision:
            case Static():
                self._static_files.answer(client, route, route.decision)
            case Listing():
                self._list(client, route, route.decision)
            case Refusal(status=status, reason=reason, allow=allow):
                self.refuse(client, status, reason, allow=allow)
            case Redirection():
                # As httpd, which makes the page of a redirect as it makes that of an error.
                client.respond(*local_answer(route.decision), is_error=True)
            case MethodList():
                client.respond(*local_answer(route.decision))
            case _:
                raise AssertionError("a decision that nobody answers")

    def _list(self, client: "Answering", route: Route, decision: Listing) -> None:
        """Answer with what a directory has of files that this client may have."""
        sites = route.sites
        assert sites is not None
        own = sites.own(route, client.head, client.addresses)
        self._static_files.list(client, decision, sites.shown_in(own, decision))

    def refuse(
        self,
        client: "Answering",
        status: int,
        reason: str,
        *,
        allow: str | None = None,
        retry_after: int = 0,
        headers: Headers = (),
    ) -> None:
        """Answer with an error, and say in the host's error log why."""
        head = client.head
        # As httpd: that somebody may not see something should be looked at; that something is not there is daily life,
        # as are the methods that scanners try.
        troubling = status == _FORBIDDEN or (status >= _SERVER_ERROR and status != _UNKNOWN_METHOD)
        level = logging.ERROR if troubling else logging.INFO
        logger.log(
            level,
            "%d to %s for %s %s: %s",
            status,
            client.peer_address,
            "-" if head is None else head.method.decode("latin-1"),
            "-" if head is None else head.target[:_TOLD].decode("latin-1"),
            one_line(reason),
            extra=self._front.log_of(client.route),
        )
        if allow is not None:
            headers = (*headers, ("Allow", allow))
        self.error(client, status, retry_after=retry_after, headers=headers)

    def error(self, client: "Answering", status: int, *, retry_after: int = 0, headers: Headers = ()) -> None:
        """Answer with the page that the configuration has for an error, or the server's own.

        Args:
            client: who gets it.
            status: the error.
            retry_after: seconds for Retry-After; 0 for none.
            headers: of the answer, whoever makes its page.
        """
        sites, head = client.route.sites, client.head
        if sites is not None:
            client.route = sites.own(client.route, head, client.addresses)
        route = client.route
        if self._front.stopping or (head is not None and not head.keep_alive):
            client.keep = False
        if retry_after:
            headers = (*headers, ("Retry-After", str(retry_after)))
        document: Route | str | None = None
        if sites is not None and route.decision is not None and not route.document_of:
            document = sites.error_document(route, head, status, headers)
        if isinstance(document, Route):
            client.drop_exchange()
            client.enter(document)
            return
        signature = "" if sites is None else sites.signature(route)
        client.respond(*error_page(status, headers, document, signature), is_error=True)

    def replace(self, client: "Answering", answer: ResponseHead) -> None:
        """Answer in the place of an application: with the resource that it has named, or with an error's page."""
        kept = tuple((name, as_text(value)) for lower, name in _KEPT for value in answer.values(lower))
        if answer.sent_on is None:
            self.error(client, answer.status, headers=kept)
            return
        sites, head = client.route.sites, client.head
        assert sites is not None
        assert head is not None
        route = sites.own(client.route, head, client.addresses)
        client.drop_exchange()
        if route.redirects >= _MOST_REDIRECTS:
            reason = f"more than {_MOST_REDIRECTS} internal redirects: the applications' Location goes round in circles"
            self.refuse(client, 500, reason)
            return
        client.enter(sites.redirected(route, head, answer.sent_on, kept))
