"""connection_environ: what an application hears of the connection, for each kind of listener."""

import pytest

from pydaemonwsgi.front.connection_environ import UNIX_ADDRESSES, connection_environ, tcp_addresses


def variables(addresses: tuple[str, int, str, int]) -> dict[str, str]:
    items = connection_environ(addresses, 26, "pydaemonwsgi").decode("latin-1").split("\0")
    return dict(zip(items[::2], items[1::2], strict=False))


@pytest.mark.parametrize(
    ("peer", "local", "remote_addr", "server_name"),
    [
        ("192.0.2.1", "192.0.2.9", "192.0.2.1", "192.0.2.9"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.9", "192.0.2.1", "192.0.2.9"),
        ("2001:db8::1", "2001:db8::9", "2001:db8::1", "[2001:db8::9]"),
        ("fe80::1%eth0", "fe80::9%eth0", "fe80::1", "[fe80::9]"),
    ],
)
def test_addresses_are_what_people_write(peer: str, local: str, remote_addr: str, server_name: str) -> None:
    told = variables(tcp_addresses((peer, 50000), (local, 8000)))
    assert told["REMOTE_ADDR"] == remote_addr
    assert told["REMOTE_PORT"] == "50000"
    assert told["SERVER_NAME"] == server_name
    assert told["SERVER_PORT"] == told["mod_wsgi.listener_port"] == "8000"


def test_a_unix_socket_has_a_name_and_a_port_but_no_addresses() -> None:
    told = variables(UNIX_ADDRESSES)
    assert (told["SERVER_NAME"], told["SERVER_PORT"], told["REMOTE_ADDR"]) == ("localhost", "80", "")
    assert "REMOTE_PORT" not in told
    assert told["mod_wsgi.listener_host"] == told["mod_wsgi.listener_port"] == ""


def test_the_number_of_the_connection_is_hexadecimal() -> None:
    assert variables(UNIX_ADDRESSES)["mod_wsgi.connection_id"] == "1a"
