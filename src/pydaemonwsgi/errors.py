"""The exception tree; whoever catches one of these knows what to tell the user.

- PydaemonwsgiError
    - ConfigurationError    the user asked for something that cannot be: exit status 2
    - StartError            a correct request that the machine refused: exit status 1
    - ControlError          a running server was not found, or did not do what it was asked for: exit status 1
    - PrivilegeError        a privilege could not be given up; the process must end
    - ChannelError          the far side of a channel broke the rules; the channel must end
    - HttpError             a client broke HTTP; answered with its status and the connection closed
    - ResponseError         an application's response head is not HTTP; answered with 500
    - OvertimeError         a computation for one request was ended because it took too long; answered with 500
"""

__all__ = [
    "ChannelError",
    "ConfigurationError",
    "ControlError",
    "HttpError",
    "OvertimeError",
    "PrivilegeError",
    "PydaemonwsgiError",
    "ResponseError",
    "StartError",
]


class PydaemonwsgiError(Exception):
    """Base of every error that this project raises on purpose."""


class ConfigurationError(PydaemonwsgiError):
    """The user asked for something that cannot be; the message says what, where and what to do."""

    exit_status = 2


class StartError(PydaemonwsgiError):
    """The configuration is right but the machine refused: port in use, no such file system right."""

    exit_status = 1


class ControlError(PydaemonwsgiError):
    """A running server was not found, or did not do what it was asked for."""

    exit_status = 1


class PrivilegeError(PydaemonwsgiError):
    """A privilege could not be given up completely; the process must not go on."""


class ChannelError(PydaemonwsgiError):
    """The far side of a channel sent something that is not in the protocol; the channel ends."""


class HttpError(PydaemonwsgiError):
    """A client's message is not acceptable.

    Attributes:
        status: the HTTP status to answer with; the connection is closed after it.
        reason: one sentence for the log and the error page; never holds client bytes.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


class OvertimeError(PydaemonwsgiError):
    """A computation was ended because it took too long; the message says which."""


class ResponseError(PydaemonwsgiError):
    """A response head from a daemon process is not valid HTTP; it must not reach the wire."""
