"""Sockets: listeners, socket pairs, sending and receiving descriptors. No policy.

Standard library only: daemon processes use it too.
"""

import array
import contextlib
import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from pydaemonwsgi.errors import StartError

__all__ = [
    "LOST_DESCRIPTOR",
    "bind_tcp",
    "bind_unix",
    "close_received",
    "control_pair",
    "has_unread",
    "number",
    "pass_credentials",
    "receive_into_with_descriptors",
    "receive_with_descriptors",
    "receive_with_sender",
    "send_with_descriptors",
    "stream_pair",
    "withdraw",
]

# Stands for a descriptor that was sent and could not be received.
LOST_DESCRIPTOR: Final = -1
_ANCILLARY: Final = socket.CMSG_SPACE(64 * array.array("i").itemsize)
_CHANNEL_BUFFER: Final = 1024 * 1024
# socket(7), the sibling of SO_BINDTODEVICE; the Python module does not name it.
_SO_BINDTOIFINDEX: Final = 62
# No interface has the highest number there can be.
_NO_INTERFACE: Final = 2**31 - 1


def stream_pair(send: int = 0, receive: int = 0) -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a channel.

    Args:
        send: bytes that the kernel holds of what an end sends; 0 for roomy.
        receive: bytes that the kernel holds for an end to receive; 0 for roomy.
    """
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in pair:
        for forced, plain, size in (
            (32, socket.SO_SNDBUF, send or _CHANNEL_BUFFER),
            (33, socket.SO_RCVBUF, receive or _CHANNEL_BUFFER),
        ):  # SO_SNDBUFFORCE, SO_RCVBUFFORCE
            try:
                end.setsockopt(socket.SOL_SOCKET, forced, size)
            except OSError:  # not root: as much as wmem_max allows
                end.setsockopt(socket.SOL_SOCKET, plain, size)
    return pair


def control_pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a control connection: message boundaries are kept."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def has_unread(sock: socket.socket) -> bool:
    """Whether something that was sent by a Unix socket has not been received yet."""
    import termios  # noqa: PLC0415 - for the supervisor only, and not made for sub-interpreters

    size = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
    return bool(size)


def number(sock: socket.socket) -> int:
    """Return what every process that has this socket knows it by: no other has the same as long as it is open."""
    return os.fstat(sock.fileno()).st_ino


def send_with_descriptors(sock: socket.socket, data: bytes, descriptors: Sequence[int]) -> int:
    """Send `data` with `descriptors` attached to its first byte; return how many bytes were taken."""
    if not descriptors:
        return sock.send(data)
    rights = array.array("i", descriptors)
    return sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def receive_with_descriptors(sock: socket.socket, size: int) -> tuple[bytes, list[int]]:
    """Receive up to `size` bytes and the descriptors that came with them; `b""` at end of file.

    The descriptors are close-on-exec and belong to the caller. `LOST_DESCRIPTOR` stands last where the kernel has
    dropped one or more, because this process may not have any more.
    """
    data, ancillary, flags, _ = sock.recvmsg(size, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
    return data, _received_descriptors(ancillary, flags) if ancillary or flags & socket.MSG_CTRUNC else []


def receive_into_with_descriptors(sock: socket.socket, buffer: memoryview) -> tuple[int, list[int]]:
    """Receive into `buffer`; return how many bytes came, 0 at end of file, and the descriptors that came with them.

    Receiving into memory that is there already spares the kernel from giving us zeroed pages for every read.
    """
    size, ancillary, flags, _ = sock.recvmsg_into((buffer,), _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
    return size, _received_descriptors(ancillary, flags) if ancillary or flags & socket.MSG_CTRUNC else []


def close_received(descriptors: Iterable[int]) -> None:
    """Close descriptors that were received and that nobody wants; those that were lost are passed over."""
    for descriptor in descriptors:
        if descriptor != LOST_DESCRIPTOR:
            os.close(descriptor)


def pass_credentials(sock: socket.socket, wanted: bool = True) -> None:
    """Have the kernel note with each message that `sock` receives which process has sent it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, wanted)


def receive_with_sender(sock: socket.socket, size: int) -> tuple[bytes, int]:
    """Receive up to `size` bytes, and the pid of the process that sent them: the kernel's word, not the sender's.

    The pid is 0 where `pass_credentials` was not called, or at end of file.
    """
    data, ancillary, _, _ = sock.recvmsg(size, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
    for descriptor in _received_descriptors(ancillary, 0):
        os.close(descriptor)
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid, _, _ = struct.unpack("iII", content)
            return data, pid
    return data, 0


def _received_descriptors(ancillary: list[tuple[int, int, bytes]], flags: int) -> list[int]:
    descriptors: list[int] = []
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
            descriptors += numbers
    if flags & socket.MSG_CTRUNC:
        descriptors.append(LOST_DESCRIPTOR)
    return descriptors


def bind_tcp(
    host: str, port: int, backlog: int, leaving: Sequence[socket.socket] = (), *, after_withdrawn: bool = False
) -> socket.socket:
    """Return a non-blocking TCP listener.

    Args:
        host: the address, or "" for every one, of IPv4 and IPv6.
        port: the port; 0 for any.
        backlog: connections that the kernel holds until they are accepted.
        leaving: listeners of this process that end soon, and may have the port until then: so `*:80` can become
            `192.0.2.1:80` without a moment in which nobody listens.
        after_withdrawn: whether a listener that was withdrawn (see `withdraw`) may have the port still.

    Raises:
        StartError: the address is in use, not ours or not allowed; the message says which and what to do.
    """
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
    except socket.gaierror:
        try:
            found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except socket.gaierror as error:
            raise StartError(f"cannot listen on {host!r}: {error.strerror}") from error
    # Every address is those of both families: a socket for `::` takes IPv4 clients as well, where there is IPv6.
    family, kind, protocol, _, address = found[0] if host else max(found, key=_is_usable_ipv6)
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if host else 0)
        sharing = [one for one in leaving if one.family != socket.AF_UNIX]
        with _sharing_ports([*sharing, sock] if sharing or after_withdrawn else []):
            sock.bind(address)
            sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise StartError(_bind_message(f"{host or '*'}:{port}", error)) from error
    sock.setblocking(False)
    return sock


def _is_usable_ipv6(found: tuple[Any, ...]) -> bool:
    """Whether an entry of getaddrinfo is for IPv6, and the kernel has that."""
    if found[0] != socket.AF_INET6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::", 0))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _sharing_ports(sharing: Sequence[socket.socket]) -> Iterator[None]:
    """Let sockets have the same port; only meanwhile, for another program of this user could have it as well."""
    for one in sharing:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield
    finally:
        for one in sharing:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def withdraw(listener: socket.socket) -> None:
    """Have a TCP listener that ends soon get no new client, so that it can be closed without resetting one.

    To empty a listener and to close it are two calls: who comes between them is reset, and so is whose handshake is
    under way. A listener of an interface that does not exist is not found by the kernel for a new handshake, but finds
    those that it knows. Another listener of the same port is found instead, and may be made until this one is closed.
    It counts for the socket in every process that has it. Where the kernel does not let us, all is as without it.
    """
    if listener.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, _NO_INTERFACE)


def bind_unix(path: str, backlog: int, mode: int = 0o666) -> socket.socket:
    """Return a non-blocking Unix listener at `path`; a socket file that nobody listens on is replaced.

    Raises:
        StartError: the path is taken by something else, or cannot be written.
    """
    try:
        existing = os.lstat(path)
    except OSError:
        pass
    else:
        if not stat.S_ISSOCK(existing.st_mode):
            raise StartError(f"cannot listen on unix:{path}: the file exists and is no socket; remove it")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            except OSError as error:
                raise StartError(_bind_message(f"unix:{path}", error)) from error
            else:
                raise StartError(f"cannot listen on unix:{path}: another server is listening there")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, mode)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise StartError(_bind_message(f"unix:{path}", error)) from error
    sock.setblocking(False)
    return sock


def _bind_message(where: str, error: OSError) -> str:
    advice = {
        errno.EADDRINUSE: "; another program is listening there: stop it or choose another port",
        errno.EACCES: "; the directory must be one that this user may write to"
        if where.startswith("unix:")
        else "; ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE",
        errno.EADDRNOTAVAIL: "; no interface of this machine has that address",
        errno.ENOENT: "; the directory does not exist",
    }.get(error.errno or 0, "")
    return f"cannot listen on {where}: {(error.strerror or str(error)).lower()}{advice}"
