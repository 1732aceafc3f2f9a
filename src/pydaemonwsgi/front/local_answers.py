"""What the front answers itself where the configuration says so: redirects, allowed methods. Sans-I/O."""

import dataclasses
import math
from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import Final

from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.http.response import ResponseHead, compose_head, edit_head, error_response
from pydaemonwsgi.routing.decisions import Common, MethodList, Redirection, Static
from pydaemonwsgi.routing.headers import Occasion, apply_edits, without_patterns

__all__ = ["edited", "error_page", "local_answer", "without_patterns_of"]

_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>{status} {reason}</title></head>\n"
    '<body><h1>{reason}</h1>\n<p>The document has moved <a href="{location}">here</a>.</p>\n</body></html>\n'
)


_REMEMBERED: Final = 1024
# By the identity of head and decision, which are kept here, so that it stays theirs.
_known: Final[dict[tuple[int, int, bool], tuple[ResponseHead, Common, ResponseHead, float]]] = {}


def local_answer(decision: Redirection | MethodList) -> tuple[ResponseHead, bytes]:
    """Return head and body of what a decision says."""
    if isinstance(decision, MethodList):
        return compose_head(200, [("Allow", decision.allow)], 0), b""
    status = decision.status
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Redirected"
    page = _PAGE.format(status=status, reason=reason, location=escape(decision.location))
    body = page.encode("utf-8", "surrogateescape")
    headers = [
        ("Location", decision.location),
        ("Content-Type", "text/html; charset=utf-8"),
    ]
    return compose_head(status, headers, len(body)), body


def error_page(
    status: int, headers: Iterable[tuple[str, str]], page: str | None, signature: str
) -> tuple[ResponseHead, bytes]:
    """Return head and body of an error.

    Args:
        status: the status code.
        headers: besides those that the page needs.
        page: the text of ErrorDocument; None for the server's own page.
        signature: what ServerSignature has at the end of that, as text: the server, the administrator's address
            and the host, separated by line ends; "" for nothing.
    """
    html = ""
    if signature:
        server, admin, name, port = map(escape, signature.split("\n"))
        linked = f'<a href="mailto:{admin}">{name}</a>' if admin else name
        html = f"<hr>\n<address>{server} Server at {linked} Port {port}</address>\n"
    return error_response(status, headers, page=page, signature=html)


def edited(route: Route, head: ResponseHead, received: float, now: float, *, error_page: bool = False) -> ResponseHead:
    """Return a response's head with what the configuration changes in it (`Header`, flags of rewrite rules).

    Args:
        route: of the request.
        head: the response's.
        received: when the request was, seconds since the epoch.
        now: likewise.
        error_page: the server itself answers with an error or a redirect, so only `Header always` counts.

    Raises:
        OvertimeError: a pattern takes too long; the message has its line.
    """
    decision, facts = route.decision, route.facts
    if decision is None or facts is None:
        return head
    common = decision.common
    if not common.response_edits and not common.added_headers:
        return head
    key = id(head), id(common), error_page
    known = _known.get(key)
    if known is not None and now < known[3]:
        return known[2]
    began = int(received * 1_000_000)
    media_type = decision.media_type if isinstance(decision, Static) else None
    environment = dict(common.environment)
    occasion = Occasion(environment, began, int(now * 1_000_000) - began, head.status, media_type or "")

    def edit(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return apply_edits(
            common.response_edits,
            [*fields, *common.added_headers],
            occasion,
            error_page=error_page,
            request_headers=facts.headers,
        )

    assert route.sites is not None
    overtime = route.sites.overtime
    overtime.begin()
    try:
        after = edit_head(head, edit)
    finally:
        overtime.end()
    lasts = min((edit.lasts for edit in common.response_edits), default=math.inf)
    if lasts:
        # The same head for the same decision comes again and again.
        if len(_known) >= _REMEMBERED:
            _known.clear()
        _known[key] = head, common, after, int(now) + lasts
    return after


def without_patterns_of(route: Route) -> Route:
    """Return a route whose answers are changed no more by patterns, one of which has taken too long."""
    decision = route.decision
    assert decision is not None
    common = decision.common
    edits = without_patterns(common.response_edits)
    return dataclasses.replace(route, decision=decision._replace(common=common._replace(response_edits=edits)))
