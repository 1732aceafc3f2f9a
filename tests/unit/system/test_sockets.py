"""sockets: descriptors travel in order with their bytes; a listener that cannot be is said so in words that help."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.errors import StartError
from pydaemonwsgi.system.sockets import (
    bind_tcp,
    bind_unix,
    control_pair,
    has_unread,
    receive_into_with_descriptors,
    receive_with_descriptors,
    send_with_descriptors,
    stream_pair,
    withdraw,
)

# -- descriptors


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A channel's two ends."""
    left, right = stream_pair()
    with left, right:
        yield left, right


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[int]]:
    """Descriptors of five files, each with its number as content."""
    with contextlib.ExitStack() as stack:
        descriptors = []
        for number in range(5):
            path = tmp_path / str(number)
            path.write_text(str(number))
            descriptors.append(stack.enter_context(path.open("rb")).fileno())
        yield descriptors


def contents(descriptors: list[int]) -> str:
    """What the files behind the descriptors say; closes them."""
    found = ""
    for descriptor in descriptors:
        found += os.pread(descriptor, 10, 0).decode()
        os.close(descriptor)
    return found


def test_bytes_without_descriptors(pair: tuple[socket.socket, socket.socket]) -> None:
    """Plain bytes arrive with an empty list."""
    left, right = pair
    assert send_with_descriptors(left, b"hello", []) == 5
    assert receive_with_descriptors(right, 100) == (b"hello", [])


def test_descriptors_arrive_in_order_with_their_bytes(
    pair: tuple[socket.socket, socket.socket], files: list[int]
) -> None:
    """Several sends give their descriptors in the order of the sends, not later than the last of their bytes."""
    left, right = pair
    assert send_with_descriptors(left, b"one;", files[:1]) == 4
    left.sendall(b"none;")
    send_with_descriptors(left, b"three;", files[1:4])
    send_with_descriptors(left, b"last", files[4:])

    data, descriptors = b"", list[int]()
    seen = {}
    while not data.endswith(b"last"):
        more, came = receive_with_descriptors(right, 100)
        data += more
        descriptors += came
        seen[data] = len(descriptors)

    assert data == b"one;none;three;last"
    assert contents(descriptors) == "01234"
    assert all(count >= (len(text) >= 4) + 3 * (len(text) >= 15) for text, count in seen.items())


def test_descriptors_come_with_the_first_byte(pair: tuple[socket.socket, socket.socket], files: list[int]) -> None:
    """A reader that takes one byte of a frame has its descriptors already."""
    left, right = pair
    send_with_descriptors(left, b"frame", files[:2])

    first, descriptors = receive_with_descriptors(right, 1)
    assert first == b"f"
    assert contents(descriptors) == "01"
    assert receive_with_descriptors(right, 100) == (b"rame", [])


def test_received_descriptors_are_close_on_exec(pair: tuple[socket.socket, socket.socket], files: list[int]) -> None:
    """What was received does not leak into programs that are executed."""
    left, right = pair
    send_with_descriptors(left, b"x", files[:1])
    _, (descriptor,) = receive_with_descriptors(right, 1)
    try:
        assert not os.get_inheritable(descriptor)
        assert descriptor not in files
    finally:
        os.close(descriptor)


def test_end_of_file_is_empty(pair: tuple[socket.socket, socket.socket]) -> None:
    """The far side's end gives no bytes and no descriptors."""
    left, right = pair
    left.close()
    assert receive_with_descriptors(right, 100) == (b"", [])


def test_receiving_into_a_buffer(pair: tuple[socket.socket, socket.socket], files: list[int]) -> None:
    """The bytes are at the buffer's beginning, the descriptors in order; 0 bytes are the end of the file."""
    left, right = pair
    buffer = bytearray(b"." * 10)
    send_with_descriptors(left, b"frame", files[:2])
    left.close()

    size, descriptors = receive_into_with_descriptors(right, memoryview(buffer))
    assert (size, bytes(buffer)) == (5, b"frame.....")
    assert contents(descriptors) == "01"
    assert receive_into_with_descriptors(right, memoryview(buffer)) == (0, [])


def test_control_pair_keeps_message_boundaries() -> None:
    """Two messages are received as two, each with its own descriptors, and in whole."""
    left, right = control_pair()
    with left, right:
        reader, writer = os.pipe()
        left.send(b"first")
        send_with_descriptors(left, b"second", [reader])
        assert receive_with_descriptors(right, 100) == (b"first", [])
        data, descriptors = receive_with_descriptors(right, 100)
        assert (data, len(descriptors)) == (b"second", 1)
        for descriptor in (reader, writer, *descriptors):
            os.close(descriptor)


def test_a_channel_has_roomy_buffers(pair: tuple[socket.socket, socket.socket]) -> None:
    """A quarter of a megabyte can be sent before anybody reads, as far as the kernel lets anybody have that."""
    allowed = int(Path("/proc/sys/net/core/wmem_max").read_text())
    for end in pair:
        assert end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= min(allowed, 256 * 1024)


# -- TCP listeners


def test_bind_tcp_listens() -> None:
    """A client can connect to the address, and accepting does not block."""
    with bind_tcp("127.0.0.1", 0, 5) as listener:
        with pytest.raises(BlockingIOError):
            listener.accept()
        with socket.create_connection(listener.getsockname()):
            pass


@pytest.mark.parametrize(
    ("host", "family"),
    [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("localhost", None)],
    ids=["IPv4", "IPv6", "name"],
)
def test_bind_tcp_takes_addresses_of_each_family(host: str, family: int | None) -> None:
    """Each way to write an address gives a listener there."""
    if family == socket.AF_INET6 and not has_ipv6():
        pytest.skip("no IPv6 on this machine")
    with bind_tcp(host, 0, 5) as listener:
        assert family in {None, listener.family}
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize("client", ["127.0.0.1", "::1"], ids=["IPv4", "IPv6"])
def test_bind_tcp_of_every_address_takes_clients_of_each_family(client: str) -> None:
    """As under httpd: whoever writes `Listen 80` does not mean half of the clients."""
    if client == "::1" and not has_ipv6():
        pytest.skip("no IPv6 on this machine")
    with bind_tcp("", 0, 5) as listener, socket.create_connection((client, listener.getsockname()[1])):
        pass


def has_ipv6() -> bool:
    """Whether ::1 can be bound."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_port_in_use() -> None:
    """The message says which address, that it is taken, and what to do."""
    with bind_tcp("127.0.0.1", 0, 5) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StartError) as caught:
            bind_tcp("127.0.0.1", port, 5)

    text = str(caught.value)
    assert f"127.0.0.1:{port}" in text
    assert "in use" in text
    assert "another port" in text
    assert "\n" not in text


def test_a_port_is_free_again_after_its_listener() -> None:
    """A restarted server gets its port back although connections of the old one linger."""
    with bind_tcp("127.0.0.1", 0, 5) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client:
            listener.setblocking(True)
            accepted, _ = listener.accept()
            accepted.close()  # the server's side closes first: its port is in TIME_WAIT
            assert client.recv(1) == b""
    bind_tcp("127.0.0.1", address[1], 5).close()


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("192.0.2.1", "no interface of this machine has that address"),
        ("no-such-host.invalid", "cannot listen on 'no-such-host.invalid'"),
        ("300.300.300.300", "cannot listen on '300.300.300.300'"),
    ],
    ids=["address of another machine", "unknown name", "no address"],
)
def test_an_address_that_is_not_ours(host: str, words: str) -> None:
    """The message names the address and the cause."""
    with pytest.raises(StartError, match=words):
        bind_tcp(host, 0, 5)


@pytest.mark.parametrize("number", [errno.EACCES], ids=errno.errorcode.get)
def test_a_port_that_is_not_allowed(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not bind a low port is told that it takes root."""

    class Refusing(socket.socket):
        def bind(self, address: object, /) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(StartError, match=r"127\.0\.0\.1:80: permission denied; ports below 1024 need root"):
        bind_tcp("127.0.0.1", 80, 5)


# -- Unix listeners


# -- a listener that makes room for another one


def take(listener: socket.socket) -> bool:
    """Whether a client waits in a listener's backlog; takes it out."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize(("old", "new"), [("127.0.0.1", ""), ("", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")])
def test_who_comes_to_a_withdrawn_listener_finds_the_other_one_of_its_port(old: str, new: str) -> None:
    """The old one still has whom it had, so emptying it and closing it loses nobody, however long it takes."""
    with bind_tcp(old, 0, 16) as leaving:
        port = leaving.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), bind_tcp(new, port, 16, [leaving]) as listener:
            withdraw(leaving)
            with socket.create_connection(("127.0.0.1", port)):
                assert take(listener)
            assert take(leaving)
            assert not take(leaving)


def test_who_comes_to_a_withdrawn_listener_that_was_the_only_one_is_refused() -> None:
    """At once, as where nobody listens; a client in a backlog that nobody empties any more would be reset."""
    with bind_tcp("127.0.0.1", 0, 16) as leaving:
        withdraw(leaving)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(leaving.getsockname())


def test_where_a_listener_was_withdrawn_another_one_may_be_before_it_is_closed() -> None:
    """And it is alone there: no other program can share its port."""
    with bind_tcp("127.0.0.1", 0, 16) as leaving:
        host, port = leaving.getsockname()
        withdraw(leaving)
        with pytest.raises(StartError, match="address already in use"):
            bind_tcp(host, port, 16)
        with bind_tcp(host, port, 16, after_withdrawn=True) as listener, socket.create_connection((host, port)):
            assert take(listener)
            assert not listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)


def test_a_unix_listener_is_withdrawn_by_its_file(tmp_path: Path) -> None:
    """There is nothing to do with the socket."""
    with bind_unix(str(tmp_path / "s"), 16) as listener:
        withdraw(listener)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))
            assert take(listener)


def test_bind_unix_listens_with_its_mode(tmp_path: Path) -> None:
    """A client can connect by the path, accepting does not block, the file has the mode asked for."""
    path = tmp_path / "server.sock"
    with bind_unix(str(path), 5, 0o600) as listener, socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(BlockingIOError):
            listener.accept()
        client.connect(str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_unix_listener_is_open_to_all_users_by_default(tmp_path: Path) -> None:
    """A proxy that runs as another user can connect without being told how."""
    path = tmp_path / "server.sock"
    with bind_unix(str(path), 5):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    """The file that a killed server left behind is no obstacle."""
    path = str(tmp_path / "server.sock")
    bind_unix(path, 5).close()
    assert os.path.exists(path)

    with bind_unix(path, 5), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_a_live_socket_is_refused(tmp_path: Path) -> None:
    """Another server's socket is left alone and goes on working."""
    path = str(tmp_path / "server.sock")
    with bind_unix(path, 5), socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(StartError, match="another server is listening there"):
            bind_unix(path, 5)
        client.connect(path)


@pytest.mark.parametrize("kind", ["file", "directory", "symlink to a file"])
def test_what_is_no_socket_is_refused(tmp_path: Path, kind: str) -> None:
    """A file that is no socket is never removed; the message says so."""
    path = tmp_path / "precious"
    match kind:
        case "file":
            path.write_text("data")
        case "directory":
            path.mkdir()
        case _:
            (tmp_path / "target").write_text("data")
            path.symlink_to(tmp_path / "target")

    with pytest.raises(StartError, match="the file exists and is no socket; remove it"):
        bind_unix(str(path), 5)
    assert os.path.lexists(path)


def test_a_missing_directory(tmp_path: Path) -> None:
    """The message says that it is the directory that is missing."""
    with pytest.raises(StartError, match="the directory does not exist"):
        bind_unix(str(tmp_path / "nowhere" / "server.sock"), 5)


def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    """A path beyond what the kernel allows is one clear error."""
    with pytest.raises(StartError, match="too long"):
        bind_unix(str(tmp_path / ("x" * 120)), 5)


def test_a_channel_has_the_buffers_asked_for() -> None:
    """Sending and receiving, at both ends; Linux counts twice what it is asked for."""
    for end in stream_pair(16384, 32768):
        with end:
            assert end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 16384
            assert end.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 32768


def test_what_has_not_been_received_is_known_to_its_sender() -> None:
    """Until the other end takes it; a connection whose other end is closed has nothing unread."""
    ours, theirs = control_pair()
    with ours, theirs:
        assert not has_unread(ours)
        ours.send(b"one")
        theirs.send(b"two")
        assert has_unread(ours)
        theirs.recv(10)
        assert not has_unread(ours)
        ours.send(b"three")
        theirs.close()
        assert not has_unread(ours)
