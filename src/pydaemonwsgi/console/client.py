"""Finding a running server's control socket and asking it. Shell."""

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import Final

from pydaemonwsgi.channel.commands import LONGEST_ANSWER, Answer, Request, decode_answer, encode_request
from pydaemonwsgi.errors import ChannelError, ConfigurationError, ControlError
from pydaemonwsgi.system.control_sockets import SUFFIX, directories, in_directory
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR, receive_with_descriptors

__all__ = ["Asked", "ask", "find_server"]

# Seconds for a server to answer what it can answer at once; its supervisor never does anything long.
_PATIENCE: Final = 15.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back.

    Attributes:
        answer: the server's.
        attachments: what came with it in memory, read whole.
    """

    answer: Answer
    attachments: tuple[bytes, ...]


def find_server(asked: str | None) -> str:
    """Return the path of the control socket that is meant.

    Args:
        asked: a name, a path with a slash, or None for the only server there is.

    Raises:
        ConfigurationError: several servers are running and none was named.
        ControlError: there is none, or none of that name.
    """
    if asked is not None and "/" in asked:
        return os.path.abspath(asked)
    places = directories(os.environ, os.geteuid())
    if asked is not None:
        for place in places:
            path = os.path.join(place, asked + SUFFIX)
            if os.path.exists(path):
                return path
    running = sorted(path for place in places for path in in_directory(place) if _is_listening(path))
    names = [os.path.basename(path).removesuffix(SUFFIX) for path in running]
    if asked is not None:
        others = f"; there is {', '.join(names)}" if names else ""
        raise ControlError(f"no server {asked} is running{others}")
    if not running:
        raise ControlError(f"no server is running: there is no control socket in {' or '.join(places)}")
    if len(running) > 1:
        raise ConfigurationError(f"several servers are running: give --control-socket {' or '.join(names)}")
    return running[0]


def _is_listening(path: str) -> bool:
    """Whether a server is there; killed ones leave their socket behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_PATIENCE)
        try:
            sock.connect(path)
        except OSError:
            return False
    return True


def ask(path: str, request: Request) -> Asked:
    """Send a request and return what comes back.

    Raises:
        ControlError: there is nobody, or nothing sensible comes back.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_PATIENCE)
        try:
            sock.connect(path)
            with contextlib.suppress(BrokenPipeError):  # it says why it does not want to hear us
                sock.sendall(encode_request(request))
            if request.wait:
                sock.settimeout(None)
            return _receive(sock)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise ControlError(f"no server is running at {path}") from error
        except TimeoutError as error:
            raise ControlError(f"the server at {path} does not answer") from error
        except OSError as error:
            raise ControlError(f"cannot ask the server at {path}: {(error.strerror or str(error)).lower()}") from error
        except ChannelError as error:
            raise ControlError(f"the server at {path} answers nonsense: {error}") from error


def _receive(sock: socket.socket) -> Asked:
    received = b""
    attachments: list[int] = []
    try:
        while b"\n" not in received:
            data, descriptors = receive_with_descriptors(sock, 65536)
            attachments += [descriptor for descriptor in descriptors if descriptor != LOST_DESCRIPTOR]
            if not data:
                raise ChannelError("it closed the connection without an answer")
            received += data
            if len(received) > LONGEST_ANSWER:
                raise ChannelError(f"more than {LONGEST_ANSWER} bytes")
        read = tuple(_read_all(descriptor) for descriptor in attachments)
        return Asked(decode_answer(received.partition(b"\n")[0]), read)
    finally:
        for descriptor in attachments:
            os.close(descriptor)


def _read_all(memory: int) -> bytes:
    """Return what has been written to memory of a fixed size; the rest of it is zeros."""
    size = min(os.fstat(memory).st_size, LONGEST_ANSWER)
    return os.pread(memory, size, 0).rstrip(b"\0")
