"""Where requests go: who answers, within what bounds, by which host's rules."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.hosts import NO_HOST, HostRules
from pydaemonwsgi.routing.decisions import Decision
from pydaemonwsgi.routing.request import Facts

if TYPE_CHECKING:
    from pydaemonwsgi.front.sites import Sites

__all__ = ["Route"]


@dataclass(slots=True, eq=False)
class Route:
    """Where a request goes.

    Attributes:
        group: the process group that answers; for what the front answers itself, whose time-outs count.
        limit_request_body: bytes; 0 for no limit.
        host: the rules of the host that it is for.
        environ: the request's CGI variables, encoded; None for those of its head.
        decision: of the configuration; None where every request goes to the one script.
        facts: what was decided by.
        document_of: the status of the error that is shown so, 0 for what the client asked for.
        asks: scripts are to be asked before the request goes on.
        sites: that have decided; what becomes of the request is theirs to say, also after a reload. None without a
            configuration.
        is_shared: other requests with the same head take it too; `Sites.own` makes it one's own.
        is_renewed: files have changed since it was decided first; it is not decided a third time.
        redirects: how many applications have sent the request on by `Location`.
    """

    group: ProcessGroup
    limit_request_body: int
    host: HostRules = NO_HOST
    environ: bytes | None = None
    decision: Decision | None = None
    facts: Facts | None = None
    document_of: int = 0
    asks: bool = False
    redirects: int = 0
    sites: "Sites | None" = None
    is_shared: bool = False
    is_renewed: bool = False

    @property
    def is_internal(self) -> bool:
        """Whether something else is answered with than what the client asked for; the request's body is not for it."""
        return bool(self.document_of or self.redirects)
