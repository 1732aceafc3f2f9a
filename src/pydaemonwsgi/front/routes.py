"""Where requests go: which process group answers, within what bounds, and which logs hear of it."""

from dataclasses import dataclass

from pydaemonwsgi.front.access_logs import AccessLog
from pydaemonwsgi.front.groups import ProcessGroup

__all__ = ["Route"]


@dataclass(slots=True, eq=False)
class Route:
    """Where a request goes.

    Attributes:
        group: the process group that answers.
        limit_request_body: bytes; 0 for no limit.
        logs: where it is logged.
    """

    group: ProcessGroup
    limit_request_body: int
    logs: tuple[AccessLog, ...]
