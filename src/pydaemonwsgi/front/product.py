"""What the server says of itself: the Server header, SERVER_SOFTWARE and the last line of error pages. Sans-I/O."""

import platform

from pydaemonwsgi import __version__

__all__ = ["product"]

_NAME = "pydaemonwsgi"


def product(tokens: str) -> str:
    """Return the server's name with as much more as `ServerTokens` allows: `full`, `os`, `minimal`, `minor` …"""
    major, minor = __version__.split(".")[:2]
    match tokens:
        case "major":
            return f"{_NAME}/{major}"
        case "minor":
            return f"{_NAME}/{major}.{minor}"
        case "minimal":
            return f"{_NAME}/{__version__}"
        case "os":
            return f"{_NAME}/{__version__} ({platform.system()})"
        case "full":
            return f"{_NAME}/{__version__} ({platform.system()}) Python/{platform.python_version()}"
        case _:
            return _NAME
