"""TrustedProxies: which of a proxy's headers are believed, header by header; the rules are mod_wsgi's."""

import pytest

from pydaemonwsgi.routing.forwarded import CATEGORIES, TrustedProxies

PROXY, STRANGER = "10.0.0.1", "192.0.2.99"
EVERY = tuple(name for names in CATEGORIES.values() for name in names)
TRUSTED = ("10.0.0.0/8", "2001:db8::/32")


def changes(headers: tuple[str, ...], environ: dict[str, str], *, peer: str = PROXY) -> tuple[dict[str, str], set[str]]:
    found = TrustedProxies(headers, TRUSTED).changes(peer, environ)
    return found.values, set(found.removed)


@pytest.mark.parametrize(
    ("name", "value", "variable", "becomes"),
    [
        ("HTTP_X_FORWARDED_FOR", "192.0.2.1", "REMOTE_ADDR", "192.0.2.1"),
        ("HTTP_X_CLIENT_IP", "192.0.2.1", "REMOTE_ADDR", "192.0.2.1"),
        ("HTTP_X_REAL_IP", "192.0.2.1", "REMOTE_ADDR", "192.0.2.1"),
        ("HTTP_X_FORWARDED_HOST", "public.example", "HTTP_HOST", "public.example"),
        ("HTTP_X_HOST", "public.example", "HTTP_HOST", "public.example"),
        ("HTTP_X_FORWARDED_SERVER", "server.example", "SERVER_NAME", "server.example"),
        ("HTTP_X_FORWARDED_PORT", "8443", "SERVER_PORT", "8443"),
        ("HTTP_X_SCRIPT_NAME", "/mounted", "SCRIPT_NAME", "/mounted"),
        ("HTTP_X_FORWARDED_SCRIPT_NAME", "/mounted", "SCRIPT_NAME", "/mounted"),
        ("HTTP_X_SCRIPT_NAME", "/mounted", "mod_wsgi.mount_point", "/mounted"),
        ("HTTP_X_FORWARDED_PROTO", "https", "wsgi.url_scheme", "https"),
        ("HTTP_X_FORWARDED_SCHEME", "HTTPS", "wsgi.url_scheme", "https"),
        ("HTTP_X_SCHEME", "http", "wsgi.url_scheme", "http"),
        ("HTTP_X_FORWARDED_HTTPS", "On", "wsgi.url_scheme", "https"),
        ("HTTP_X_FORWARDED_HTTPS", "Off", "wsgi.url_scheme", "http"),
        ("HTTP_X_FORWARDED_SSL", "true", "wsgi.url_scheme", "https"),
        ("HTTP_X_FORWARDED_SSL", "false", "wsgi.url_scheme", "http"),
        ("HTTP_X_HTTPS", "1", "wsgi.url_scheme", "https"),
        ("HTTP_X_HTTPS", "0", "wsgi.url_scheme", "http"),
        ("HTTP_X_FORWARDED_PROTO", "gopher", "wsgi.url_scheme", None),
        ("HTTP_X_HTTPS", "perhaps", "wsgi.url_scheme", None),
    ],
)
def test_a_trusted_proxys_header_becomes_its_variable(
    name: str, value: str, variable: str, becomes: str | None
) -> None:
    """And from anybody else it is taken away."""
    assert changes((name,), {name: value})[0].get(variable) == becomes
    assert changes((name,), {name: value}, peer=STRANGER) == ({}, {name})


@pytest.mark.parametrize("declared", EVERY)
def test_synonyms_cannot_contradict(declared: str) -> None:
    """Of a declared category nothing but the declared header is left; of others everything (CVE-2022-2255)."""
    environ = dict.fromkeys(EVERY, "1")
    category = next(set(names) for names in CATEGORIES.values() if declared in names)
    assert changes((declared,), environ)[1] == category - {declared}
    assert changes((declared,), environ, peer=STRANGER)[1] == category
    # Also if the declared header itself has not come.
    del environ[declared]
    assert changes((declared,), environ)[1] == category - {declared}


def test_the_last_header_that_is_listed_and_has_come_counts() -> None:
    headers = ("HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP")
    environ = {"HTTP_X_FORWARDED_FOR": "192.0.2.1", "HTTP_X_REAL_IP": "192.0.2.2"}
    assert changes(headers, environ) == ({"REMOTE_ADDR": "192.0.2.2"}, {"HTTP_X_FORWARDED_FOR"})


@pytest.mark.parametrize(
    ("sent", "client", "left"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.2", "192.0.2.1", "192.0.2.1, 10.0.0.2"),
        ("6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1", "192.0.2.1, 10.0.0.2"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2"),
        ("192.0.2.1, 192.0.2.2", "192.0.2.2", "192.0.2.2"),
        (" , 192.0.2.1 ,, 10.0.0.2 ", "192.0.2.1", "192.0.2.1, 10.0.0.2"),
        ("unknown, 10.0.0.2", "unknown", "unknown, 10.0.0.2"),
        ("192.0.2.1, 2001:db8::1", "192.0.2.1", "192.0.2.1, 2001:db8::1"),
        ("192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1", "192.0.2.1, ::ffff:10.0.0.2"),
    ],
)
def test_the_client_is_left_of_the_proxies(sent: str, client: str, left: str) -> None:
    """Counted from the right, because only what trusted proxies have added can be believed."""
    values, removed = changes(("HTTP_X_FORWARDED_FOR",), {"HTTP_X_FORWARDED_FOR": sent})
    assert (values["REMOTE_ADDR"], values["HTTP_X_FORWARDED_FOR"], removed) == (client, left, set())


def test_a_client_behind_a_proxy_does_not_have_the_proxys_name() -> None:
    """REMOTE_HOST is of the address that has gone; who is believed by name must not be the proxy's guest."""
    environ = {"HTTP_X_FORWARDED_FOR": "192.0.2.1", "REMOTE_HOST": "localhost"}
    assert changes(("HTTP_X_FORWARDED_FOR",), environ)[1] == {"REMOTE_HOST"}
    assert changes(("HTTP_X_FORWARDED_PROTO",), {**environ, "HTTP_X_FORWARDED_PROTO": "https"})[1] == set()


def test_without_a_list_everybody_is_a_proxy() -> None:
    """Then the first address is the client's, and the header stays as it is."""
    trusted = TrustedProxies(("HTTP_X_FORWARDED_FOR",), None)
    found = trusted.changes(STRANGER, {"HTTP_X_FORWARDED_FOR": "192.0.2.1, 192.0.2.2", "HTTP_X_REAL_IP": "x"})
    assert found.values == {"REMOTE_ADDR": "192.0.2.1"}
    assert found.removed == {"HTTP_X_REAL_IP"}


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5", "2001:db8::5%eth0"])
def test_a_proxy_is_known_by_its_address(peer: str) -> None:
    assert changes(("HTTP_X_REAL_IP",), {"HTTP_X_REAL_IP": "192.0.2.1"}, peer=peer)[0] == {"REMOTE_ADDR": "192.0.2.1"}


def test_who_comes_by_a_unix_socket_is_a_proxy_if_that_is_said() -> None:
    """It has no address; and no address in a header can stand for it."""
    trusted = TrustedProxies(("HTTP_X_FORWARDED_FOR",), (*TRUSTED, "unix:"))
    environ = {"HTTP_X_FORWARDED_FOR": "192.0.2.7, , 192.0.2.1"}
    assert trusted.changes("", environ).values["REMOTE_ADDR"] == "192.0.2.1"
    assert trusted.changes(STRANGER, environ).removed == {"HTTP_X_FORWARDED_FOR"}


@pytest.mark.parametrize("peer", ["", "unix", "11.0.0.1", "2001:db9::1"])
def test_whoever_is_no_proxy_is_not_believed(peer: str) -> None:
    assert changes(("HTTP_X_REAL_IP",), {"HTTP_X_REAL_IP": "192.0.2.1"}, peer=peer) == ({}, {"HTTP_X_REAL_IP"})
