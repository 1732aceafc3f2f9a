"""What each host of a configuration allows its clients, and what it answers when they want more."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.conformance.wire import Reader
from tests.helpers.server import APPS, PATIENCE, Answer, read_all, wait_for
from tests.helpers.site import Files, SiteServer, serving_site

CONFIGURATION = """
Listen 127.0.0.1:{port}
Listen 127.0.0.2:{port}
WSGIDaemonProcess one threads=2
WSGIProcessGroup one
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app {site}/app.wsgi
DocumentRoot {site}/htdocs
ServerName main.example
ServerAdmin admin@main.example
ServerTokens Minimal
RequestReadTimeout header=1 body=15

<VirtualHost *:{port}>
    ServerName first.example
    CustomLog {site}/first.log "%>s %r"
    LimitRequestLine 200
    LimitRequestFields 5
    LimitRequestFieldSize 300
    ErrorDocument 400 "bad"
    ErrorDocument 408 "late"
    ErrorDocument 414 /long.html
    ErrorDocument 431 /app/never
    ErrorDocument 405 "not so"
    Header always set X-Host first
    Header set X-Good yes
    ServerSignature EMail
</VirtualHost>
<VirtualHost *:{port}>
    ServerName closes.example
    KeepAlive Off
</VirtualHost>
<VirtualHost *:{port}>
    ServerName counts.example
    MaxKeepAliveRequests 2
</VirtualHost>
<VirtualHost *:{port}>
    ServerName hurries.example
    KeepAliveTimeout 1
    Timeout 1
    UseCanonicalName On
    ServerSignature On
    <Location /private>
        Require host localhost
    </Location>
    <Location /secret>
        Require host example.com
    </Location>
</VirtualHost>
<VirtualHost *:{port}>
    ServerName names.example
    HostnameLookups On
    CustomLog {site}/names.log "%h %a %{c}h %U"
    CustomLog {site}/times.log "%D %U"
    Header set X-Took %D
</VirtualHost>
<VirtualHost *:{port}>
    ServerName ported.example:8080
    BrowserMatch Hurried nokeepalive
    RewriteEngine On
    RewriteRule ^/old/(.*) /app/$1 [PT]
    RewriteRule ^/cookie - [CO=seen:yes:.example]
    ErrorDocument 404 /private/a.txt
    <Directory {site}/htdocs/private>
        RewriteEngine On
        RewriteRule ^sent/(.*) /app/$1
    </Directory>
</VirtualHost>
<VirtualHost 127.0.0.2:{port}>
    ServerName second.example
    LimitRequestLine 4000
</VirtualHost>
"""


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    """Seven hosts of one mind each."""
    files: Files = {
        "app.wsgi": APPS / "site_report.wsgi",
        "htdocs/long.html": "<p>too long</p>\n",
        "htdocs/directory/a.txt": "a\n",
        "htdocs/private.txt": "private\n",
        "htdocs/secret.txt": "secret\n",
        "htdocs/private/a.txt": "private\n",
        "htdocs/secret/a.txt": "secret\n",
        "htdocs/large.bin": b"x" * 20_000_000,
    }
    with serving_site(CONFIGURATION, files) as site:
        yield site


def request(host: str, path: str = "/app/", *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


# -- how long connections live


@pytest.mark.parametrize("path", ["/app/", "/long.html", "/none"])
def test_a_host_may_close_after_each_answer(site: SiteServer, path: str) -> None:
    """KeepAlive Off: said in the answer, done after it; other hosts on the same address go on."""
    answer = Answer(site.exchange(request("closes.example", path)))
    assert answer.header("Connection") == "close"
    with site.connect() as sock:
        reader = Reader(sock)
        for _ in range(3):
            sock.sendall(request("first.example", path))
            assert reader.response().header("Connection") is None


@pytest.mark.parametrize("path", ["/app/", "/private/a.txt", "/none"])
def test_a_request_may_end_its_connection(site: SiteServer, path: str) -> None:
    """The variable nokeepalive."""
    answer = Answer(site.exchange(request("ported.example", path, "User-Agent: Hurried")))
    assert answer.header("Connection") == "close"
    with site.connect() as sock:
        reader = Reader(sock)
        for _ in range(3):
            sock.sendall(request("ported.example", path, "User-Agent: Patient"))
            assert reader.response().header("Connection") is None


def test_a_host_may_count_requests(site: SiteServer) -> None:
    """MaxKeepAliveRequests: the last one says so; what was sent ahead is not answered."""
    answers = site.exchange(request("counts.example") * 3)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.count(b"Connection: close") == 1


def test_a_host_may_be_impatient_between_requests(site: SiteServer) -> None:
    """KeepAliveTimeout is that of the host whose request was the last."""
    with site.connect() as sock, site.connect() as other:
        for one, host in ((sock, "hurries.example"), (other, "first.example")):
            one.sendall(request(host))
            Reader(one).response()
        assert read_all(sock) == b""
        other.sendall(request("first.example", "/app/", "Connection: close"))
        assert Answer(read_all(other)).status == 200


def test_a_host_may_be_impatient_with_readers(site: SiteServer) -> None:
    """Timeout: who takes nothing of a file is cut off."""
    with site.connect() as sock:
        sock.sendall(request("hurries.example", "/large.bin"))
        wait_for(lambda: "has read nothing of its answer for 1 s" in site.log(), "the end of patience")
        assert len(read_all(sock)) < 20_000_000


# -- how much they may send


@pytest.mark.parametrize(
    ("target", "headers", "status", "page"),
    [
        ("/app/" + "a" * 300, (), 414, "<p>too long</p>\n"),
        ("/app/", tuple(f"X-{number}: 1" for number in range(6)), 431, None),
        ("/app/", ("X-Long: " + "a" * 400,), 431, None),
        ("/app/", ("Broken",), 400, "bad"),
    ],
)
def test_what_cannot_be_read_is_answered_by_the_first_host(
    site: SiteServer, target: str, headers: tuple[str, ...], status: int, page: str | None
) -> None:
    """With its limits, its error documents, its `Header always`, in its log: nobody knows yet who is meant."""
    answer = Answer(site.exchange(request("hurries.example", target, *headers)))
    assert answer.status == status
    assert answer.header("Connection") == "close"
    assert answer.header("X-Host") == "first"
    if page is not None:
        assert answer.text == page
    else:
        # No script can be asked about a request that was not understood.
        assert "larger than this server accepts" in answer.text
    log = site.directory / "first.log"
    wait_for(lambda: f"{status} GET /app" in log.read_text(), "the line in its log")


def test_another_address_has_its_own_first_host(site: SiteServer) -> None:
    with socket.create_connection(("127.0.0.2", site.port), timeout=PATIENCE) as sock:
        sock.sendall(request("whoever", "/app/" + "a" * 1000, "Connection: close"))
        assert Answer(read_all(sock)).status == 200


def test_a_head_that_does_not_come_is_answered_by_the_first_host(site: SiteServer) -> None:
    answer = Answer(site.exchange(b"GET / HTTP/1.1\r\nHost: hurries.example\r\n"))
    assert (answer.status, answer.text) == (408, "late")


def test_an_error_between_two_requests_is_not_the_first_requests(site: SiteServer) -> None:
    """The host, the headers and the log of the request before have nothing to do with it."""
    received = site.exchange(request("hurries.example", "/long.html") + b"nonsense\r\n\r\n")
    first, _, second = received.partition(b"HTTP/1.1 400")
    assert b"X-Host" not in first
    assert b"X-Host: first\r\n" in second
    assert second.endswith(b"bad")


def test_a_method_that_is_never_allowed_has_the_hosts_page(site: SiteServer) -> None:
    answer = Answer(site.exchange(request("first.example", "/app/", "Connection: close", method="TRACE")))
    assert (answer.status, answer.text) == (405, "not so")
    assert answer.header("Allow") is not None


# -- what the server calls itself


def test_the_server_tells_of_itself_what_it_may(site: SiteServer) -> None:
    """ServerTokens, in the header and in SERVER_SOFTWARE."""
    answer = site.get("/app/")
    assert answer.header("Server") == "pydaemonwsgi/0.1.0"
    assert '"SERVER_SOFTWARE": "pydaemonwsgi/0.1.0"' in answer.text


def test_error_pages_are_signed(site: SiteServer) -> None:
    """ServerSignature: On with the host's name and port by UseCanonicalName, EMail with the administrator's."""
    page = Answer(site.exchange(request("hurries.example:1234", "/none", "Connection: close"))).text
    assert "<address>pydaemonwsgi/0.1.0 Server at hurries.example Port 80</address>" in page
    page = Answer(site.exchange(request("first.example:1234", "/none", "Connection: close"))).text
    name = '<a href="mailto:admin@main.example">first.example</a>'
    assert f"<address>pydaemonwsgi/0.1.0 Server at {name} Port 1234</address>" in page
    page = Answer(site.exchange(request("counts.example", "/none", "Connection: close"))).text
    assert "<address>" not in page


def test_redirects_have_the_name_that_the_host_wants(site: SiteServer) -> None:
    """UseCanonicalName On: its own; Off: the client's."""
    wire = request("HURRIES.example:1234", "/directory", "Connection: close")
    location = Answer(site.exchange(wire)).header("Location")
    assert location == "http://hurries.example/directory/"
    wire = request("counts.example:1234", "/directory", "Connection: close")
    assert Answer(site.exchange(wire)).header("Location") == "http://counts.example:1234/directory/"


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("HURRIES.example:1234", "hurries.example", "80"),
        ("counts.example:1234", "counts.example", "1234"),
        ("counts.example", "counts.example", "80"),
        ("ported.example", "ported.example", "8080"),
        ("ported.example:81", "ported.example", "81"),
    ],
)
def test_an_application_is_told_the_name_and_port_that_redirects_have(
    site: SiteServer, host: str, name: str, port: str
) -> None:
    """UseCanonicalName On: the host's own; Off: the client's, and the port of ServerName where it says none."""
    told = json.loads(Answer(site.exchange(request(host, "/app/", "Connection: close"))).text)
    assert (told["SERVER_NAME"], told["SERVER_PORT"]) == (name, port)


@pytest.mark.parametrize(
    ("host", "path", "told"),
    [
        ("ported.example:80", "/app/a%20b", {"SCRIPT_URL": "/app/a b", "SCRIPT_URI": "http://ported.example/app/a b"}),
        ("ported.example", "/old//x", {"SCRIPT_URL": "/old/x", "SCRIPT_URI": "http://ported.example:8080/old/x"}),
        (
            "ported.example:80",
            "/private/sent/x",
            {
                "SCRIPT_URL": "/private/sent/x",
                "SCRIPT_URI": "http://ported.example/private/sent/x",
                "REDIRECT_SCRIPT_URL": "/private/sent/x",
                "REDIRECT_SCRIPT_URI": "http://ported.example/private/sent/x",
            },
        ),
        ("counts.example", "/app/x", {}),
    ],
)
def test_an_application_is_told_what_the_url_was_before_rewriting(
    site: SiteServer, host: str, path: str, told: dict[str, str]
) -> None:
    """As by mod_rewrite, where its engine is on: Django tells by it where it is mounted."""
    environ = json.loads(Answer(site.exchange(request(host, path, "Connection: close"))).text)
    assert {key: value for key, value in environ.items() if "SCRIPT_UR" in key} == told


def test_a_cookie_of_a_rule_goes_with_an_errors_page(site: SiteServer) -> None:
    answer = Answer(site.exchange(request("ported.example", "/cookie", "Connection: close")))
    assert (answer.status, answer.text) == (404, "private\n")
    assert (answer.header("Set-Cookie") or "").startswith("seen=yes; ")


# -- names of clients


def test_clients_are_known_by_their_names(site: SiteServer) -> None:
    """`Require host`: the name that the client's address has, if that name has the address."""
    for path, status in (("/private/a.txt", 200), ("/secret/a.txt", 403)):
        wire = request("hurries.example", path, "Connection: close")
        assert Answer(site.exchange(wire)).status == status
    told = Answer(site.exchange(request("hurries.example", "/app/", "Connection: close"))).text
    assert "REMOTE_HOST" not in told  # nobody has asked for it there
    # Also for requests that were sent ahead.
    wire = request("hurries.example", "/private/a.txt") * 2
    wire += request("hurries.example", "/private/a.txt", "Connection: close")
    assert site.exchange(wire).count(b"private\n") == 3


def test_a_host_may_log_the_names_of_its_clients(site: SiteServer) -> None:
    """HostnameLookups On: `%h` and REMOTE_HOST are the name of who has one, whoever has sent the same head before."""
    wire = request("names.example", "/app/x", "Connection: close")
    told = []
    for address in ("127.0.0.3", "127.0.0.1", "127.0.0.3"):
        with socket.create_connection(("127.0.0.1", site.port), PATIENCE, (address, 0)) as sock:
            sock.sendall(wire)
            told.append(json.loads(Answer(read_all(sock)).text))
    assert [one.get("REMOTE_HOST") for one in told] == [None, "localhost", None]
    log = site.directory / "names.log"
    wait_for(lambda: log.read_text().count("\n") == 3, "the records")
    assert log.read_text().splitlines() == [
        "127.0.0.3 127.0.0.3 127.0.0.3 /app/x",
        "localhost 127.0.0.1 localhost /app/x",
        "127.0.0.3 127.0.0.3 127.0.0.3 /app/x",
    ]


def test_only_hosts_that_want_names_look_them_up(site: SiteServer) -> None:
    """The others do not wait for a name server."""
    told = Answer(site.exchange(request("first.example", "/app/", "Connection: close"))).text
    assert "REMOTE_HOST" not in told


def test_what_the_front_answers_itself_takes_time_too(site: SiteServer) -> None:
    """%D of a file, in the log and in a header, is not 0."""
    answer = Answer(site.exchange(request("names.example", "/private/a.txt", "Connection: close")))
    assert int((answer.header("X-Took") or "").removeprefix("D=")) > 0
    log = site.directory / "times.log"
    wait_for(lambda: "/private/a.txt" in log.read_text(), "the record")
    took = [line.split()[0] for line in log.read_text().splitlines() if line.endswith(" /private/a.txt")]
    assert int(took[0]) > 0
