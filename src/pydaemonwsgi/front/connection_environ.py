"""The CGI variables that are the same for all requests of a connection. Sans-I/O.

RFC 3875 section 4.1; the `mod_wsgi` keys are mod_wsgi's.
"""

import os

__all__ = ["UNIX_ADDRESSES", "connection_environ", "tcp_addresses"]

# Of a client that came by a Unix socket.
UNIX_ADDRESSES = ("", 0, "", 0)


def tcp_addresses(peer: tuple[str, int], local: tuple[str, int]) -> tuple[str, int, str, int]:
    """Return peer address and port, local address and port, the addresses as people write them."""
    return (_plain(peer[0]), peer[1], _plain(local[0]), local[1])


def _plain(host: str) -> str:
    """Return an IPv4 address that came in by an IPv6 listener as what it is, and no scope."""
    host = host.partition("%")[0]
    return host[7:] if host.startswith("::ffff:") and "." in host else host


def connection_environ(addresses: tuple[str, int, str, int], number: int, product: str) -> bytes:
    r"""Return the variables as `KEY\0VALUE\0…` in latin-1.

    Args:
        addresses: peer address and port, local address and port; see `tcp_addresses`.
        number: of the connection, counted from 1.
        product: what the server calls itself.
    """
    peer_host, peer_port, host, port = addresses
    if addresses == UNIX_ADDRESSES:
        ends = "REMOTE_ADDR\0\0SERVER_NAME\0localhost\0SERVER_PORT\x0080\0"
        listener_port = ""
    else:
        name = f"[{host}]" if ":" in host else host  # RFC 3875 section 4.1.14
        ends = (
            f"REMOTE_ADDR\0{peer_host}\0REMOTE_PORT\0{peer_port}\0SERVER_ADDR\0{host}\0"
            f"SERVER_NAME\0{name}\0SERVER_PORT\0{port}\0"
        )
        listener_port = str(port)
    return (
        f"{ends}REQUEST_SCHEME\0http\0SERVER_SOFTWARE\0{product}\0mod_wsgi.listener_host\0{host}\0"
        f"mod_wsgi.listener_port\0{listener_port}\0mod_wsgi.server_pid\0{os.getpid()}\0"
        f"mod_wsgi.connection_id\0{number:x}\0"
    ).encode("latin-1")
