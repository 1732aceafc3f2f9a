"""access_log: every directive of the format, its escaping, its conditions and its errors."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.front import log_fields
from pydaemonwsgi.front.access_log import FORMATS, AccessRecord, compile_condition, compile_format
from pydaemonwsgi.routing.decisions import Refusal, Static
from tests.helpers.routing import facts, router

RECORD = AccessRecord(
    remote_addr="192.0.2.1",
    remote_port=51000,
    local_addr="198.51.100.2",
    local_port=8000,
    time=1795413600.123456,  # 2026-11-23 06:00:00.123456 UTC
    method="GET",
    target="/a%20b/c?x=1&y=%22",
    protocol="HTTP/1.1",
    status=200,
    body_bytes=2326,
    bytes_in=300,
    bytes_out=2500,
    duration=1.001234,
    headers=(
        b"Host: example.com:8000\r\nUser-Agent: Mozilla/5.0 (X11)\r\nReferer:\thttp://e.org/?q \r\n"
        b"X-Two: one\r\nX-Empty:\r\nx-two: two\r\n"
        b"Cookie: first=0; Session=one=1\r\nCookie: last=3;flag\r\n\r\n"
    ),
    response_headers=b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n",
    request_id="0123abcd",
    connection_requests=3,
    connection_status="+",
    daemon_pid=77,
    queue_time=0.0125,
    host="example.com:8000",
    process_group="jack-1",
)
TIME = "[23/Nov/2026:04:30:00 -0130]"
LINE = '"GET /a%20b/c?x=1&y=%22 HTTP/1.1"'
CLIENT = '"http://e.org/?q" "Mozilla/5.0 (X11)"'


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is an hour and a half behind UTC, and no second is cached from another zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX+01:30")
        time.tzset()
        patch.setitem(log_fields.PLAIN, "t", log_fields._time(""))
        yield
    time.tzset()


def render(text: str, record: AccessRecord = RECORD) -> str:
    """The line without its end."""
    line = compile_format(text)(record)
    assert line.endswith(b"\n")
    return line[:-1].decode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain text", "plain text"),
        ("%%", "%"),
        ("100%% %s%%", "100% 200%"),
        ("%a", "192.0.2.1"),
        ("%{c}a", "192.0.2.1"),
        ("%A", "198.51.100.2"),
        ("%B", "2326"),
        ("%b", "2326"),
        ("%D", "1001234"),
        ("%T", "1"),
        ("%{s}T", "1"),
        ("%{ms}T", "1001"),
        ("%{us}T", "1001234"),
        ("%f", "-"),
        ("%h", "192.0.2.1"),
        ("%{c}h", "192.0.2.1"),
        ("%H", "HTTP/1.1"),
        ("%{User-Agent}i", "Mozilla/5.0 (X11)"),
        ("%{user-agent}i", "Mozilla/5.0 (X11)"),
        ("%{Referer}i", "http://e.org/?q"),
        ("%{X-Two}i", "one, two"),
        ("%{X-Empty}i", ""),
        ("%{X-None}i", "-"),
        ("%{Agent}i", "-"),
        ("%{Host}i", "example.com:8000"),
        ("%I", "300"),
        ("%k", "3"),
        ("%l", "-"),
        ("%L", "0123abcd"),
        ("%m", "GET"),
        ("%{mod_wsgi.process_group}n", "jack-1"),
        ("%{mod_wsgi.queue_time}n", "0.012500"),
        ("%{Content-Type}o", "text/html"),
        ("%{Set-Cookie}o", "a=1, b=2"),
        ("%{Missing}o", "-"),
        ("%O", "2500"),
        ("%p", "8000"),
        ("%{canonical}p", "8000"),
        ("%{local}p", "8000"),
        ("%{remote}p", "51000"),
        ("%P", "77"),
        ("%{pid}P", "77"),
        ("%q", "?x=1&y=%22"),
        ("%r", "GET /a%20b/c?x=1&y=%22 HTTP/1.1"),
        ("%s", "200"),
        ("%>s", "200"),
        ("%<s", "200"),
        ("%S", "2800"),
        ("%t", "[23/Nov/2026:04:30:00 -0130]"),
        ("%{}t", "[23/Nov/2026:04:30:00 -0130]"),
        ("%{begin:}t", "[23/Nov/2026:04:30:00 -0130]"),
        ("%{end:}t", "[23/Nov/2026:04:30:01 -0130]"),
        ("%{%Y-%m-%d %H:%M:%S}t", "2026-11-23 04:30:00"),
        ("%{end:%S}t", "01"),
        ("%{begin:%S}t", "00"),
        ("%{sec}t", "1795413600"),
        ("%{msec}t", "1795413600123"),
        ("%{usec}t", "1795413600123456"),
        ("%{msec_frac}t", "123"),
        ("%{usec_frac}t", "123456"),
        ("%{begin:usec_frac}t", "123456"),
        ("%{end:msec}t", "1795413601124"),
        ("%{end:usec_frac}t", "124690"),
        ("%u", "-"),
        ("%{c}u", "-"),
        ("%U", "/a b/c"),
        ("%R", "-"),
        ("%{NAME}e", "-"),
        ("%{session}C", "one=1"),
        ("%{SESSION}C", "one=1"),
        ("%{last}C", "3"),
        ("%{none}C", "-"),
        ("%{ratio}n", "-"),
        ("%{tid}P %{hextid}P", "- -"),
        ("%{X-Trailer}^ti %{X-Trailer}^to", "- -"),
        ("%^FB", "-"),
        ("%{SSL_PROTOCOL}x", "-"),
        ("%{User-Agent}>i", "Mozilla/5.0 (X11)"),
        ("%>{User-Agent}i", "Mozilla/5.0 (X11)"),
        ("%v", "example.com"),
        ("%V", "example.com"),
        ("%X", "+"),
        ('a\\tb\\\\c\\nd\\re\\"f\\x', 'a\tb\\c\nd\re"f\\x'),
        ("é %s €", "é 200 €"),
    ],
)
def test_directive_renders(text: str, expected: str) -> None:
    """Each directive renders its part of the record."""
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "change", "expected"),
    [
        ("%b %B", {"body_bytes": 0}, "- 0"),
        ("%P", {"daemon_pid": 0}, "-"),
        ("%L", {"request_id": ""}, "-"),
        ("%h %a %A", {"remote_addr": "", "local_addr": ""}, "- - -"),
        ("%r %m %U", {"method": "", "target": "", "protocol": ""}, "- - -"),
        ("%v", {"host": ""}, "-"),
        ("%v", {"host": "example.com"}, "example.com"),
        ("%v", {"host": "[::1]:80"}, "[::1]"),
        ("%v", {"host": "[::1]"}, "[::1]"),
        ("%v", {"host": "::1"}, "::1"),
        ("%{mod_wsgi.process_group}n", {"process_group": ""}, "-"),
        ("%{Host}i", {"headers": b""}, "-"),
        ("%{Host}i", {"headers": b"Host: x"}, "x"),
        ("%{Host}i", {"headers": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}, "x"),
        ("%{Host}i", {"headers": b"X-Host: y\r\nA: Host: z\r\n"}, "-"),
        ("%U%q", {"target": "/a"}, "/a"),
        ("%U%q", {"target": "/a?"}, "/a?"),
        ("%U", {"target": "*"}, "*"),
        ("%U%q", {"target": "http://h:80/p%41?q"}, "/pA?q"),
        ("%U", {"target": "http://h"}, "/"),
        ("%U", {"target": "/%zz%e4%0a"}, "/%zz\\xe4\\n"),
        ("%U", {"target": "/a//b/%2e./c/./d"}, "/a/c/d"),
        ("%U", {"target": "/a%2Fb"}, "/a/b"),
        ("%U", {"target": "/http://x"}, "/http:/x"),
        ("%U", {"target": "/../x"}, "/../x"),
        ("%X", {"connection_status": "X"}, "X"),
        ("%{ms}T %T %D", {"duration": 1.001}, "1001 1 1001000"),
        ("%{ms}T %T %D", {"duration": 0.0000004}, "0 0 0"),
        ("%{usec_frac}t %{sec}t", {"time": 1795413599.9999999}, "000000 1795413600"),
        ("%{usec_frac}t %{msec_frac}t", {"time": 1795413600.0005}, "000500 000"),
    ],
)
def test_directive_of_an_unusual_record(text: str, change: dict[str, object], expected: str) -> None:
    """What is missing is a dash, what is odd is shown as it is."""
    assert render(text, replace(RECORD, **change)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ('"', '\\"'),
        ("\\", "\\\\"),
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\t", "\\t"),
        ("\b", "\\b"),
        ("\v", "\\v"),
        ("\f", "\\x0c"),
        ("\0", "\\x00"),
        ("\x1b", "\\x1b"),
        ("\x7f", "\\x7f"),
        ("\x85", "\\x85"),
        ("\xff", "\\xff"),
        ("%s %", "%s %"),
        ("~ !#[]", "~ !#[]"),
    ],
)
@pytest.mark.parametrize("text", ["%r", "%q", "%m", "%H", "%L", "%v", "%h", "%{X}i", "%{X}o"])
def test_escaping_is_httpd_s(text: str, raw: str, escaped: str) -> None:
    """Quotes, backslashes, controls and 8-bit bytes of every outside text are escaped as httpd does."""
    header = b"A: b\r\nX: <" + raw.encode("latin-1") + b">\r\n"
    record = replace(
        RECORD,
        method=f"<{raw}>",
        target=f"/?<{raw}>",
        protocol=f"<{raw}>",
        request_id=f"<{raw}>",
        host=f"<{raw}>",
        remote_addr=f"<{raw}>",
        headers=header,
        response_headers=header,
    )

    line = compile_format(text)(record)

    assert b"<" + escaped.encode() + b">" in line
    assert line.count(b"\n") == 1
    assert line.isascii()


def test_escaping_beyond_latin_1() -> None:
    """A character that no byte stands for is escaped as its UTF-8, a lone surrogate included."""
    assert render("%v", replace(RECORD, host="€\ud800")) == "\\xe2\\x82\\xac\\xed\\xa0\\x80"
    assert render("%U", replace(RECORD, target="/%41€")) == "/A?"


@pytest.mark.parametrize(
    ("text", "status", "expected"),
    [
        ("%400,501{User-agent}i", 400, "Mozilla/5.0 (X11)"),
        ("%400,501{User-agent}i", 501, "Mozilla/5.0 (X11)"),
        ("%400,501{User-agent}i", 200, "-"),
        ("%!200,304,302{Referer}i", 200, "-"),
        ("%!200,304,302{Referer}i", 500, "http://e.org/?q"),
        ("%404m", 404, "GET"),
        ("%404m", 200, "-"),
        ("%!404>s", 200, "200"),
        ("%200u", 200, "-"),
        ("%200%", 200, "%"),
    ],
)
def test_condition_on_the_status(text: str, status: int, expected: str) -> None:
    """A directive with statuses renders only for them, with `!` only for all others."""
    assert render(text, replace(RECORD, status=status)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("common", f"192.0.2.1 - - {TIME} {LINE} 200 2326"),
        ("combined", f"192.0.2.1 - - {TIME} {LINE} 200 2326 {CLIENT}"),
        ("vhost_combined", f"example.com:8000 192.0.2.1 - - {TIME} {LINE} 200 2500 {CLIENT}"),
    ],
)
def test_named_format(name: str, expected: str) -> None:
    """A known name is its format."""
    assert render(name) == render(FORMATS[name]) == expected


@pytest.mark.parametrize(
    ("text", "directive", "position", "reason"),
    [
        ("%h %Z", "%Z", 4, "is unknown"),
        ("%", "%", 1, "is not a directive"),
        ("%h %", "%", 4, "is not a directive"),
        ("%{User-Agent", "%{User-Agent", 1, "is not a directive"),
        ("%{User-Agent}", "%{User-Agent", 1, "is not a directive"),
        ("%{x}h", "%{x}h", 1, "has an argument it does not know"),
        ("%{min}T", "%{min}T", 1, "has an argument it does not know"),
        ("a%{ppid}P", "%{ppid}P", 2, "has an argument it does not know"),
        ("%{mod_wsgi.queue_tiem}n", "%{mod_wsgi.queue_tiem}n", 1, "is unknown"),
        ("%e", "%e", 1, "is unknown"),
        ("%i", "%i", 1, "is unknown"),
        ("%!s", "%!s", 1, "negates no status"),
        ("%é", "%é", 1, "is not a directive"),
        ("%^ti", "%^ti", 1, "is unknown"),
        ("%^xx", "%^xx", 1, "is unknown"),
        ("%^t", "%^t", 1, "is not a directive"),
    ],
)
def test_error_names_directive_and_position(text: str, directive: str, position: int, reason: str) -> None:
    """A format that cannot be is refused with directive, position and reason."""
    with pytest.raises(ConfigurationError) as caught:
        compile_format(text)

    assert str(caught.value) == f"access log format {text!r}: {directive!r} at character {position} {reason}"


def test_time_is_cached_for_its_own_second_only() -> None:
    """The formatted second is used again within the second and never for another one."""
    line = compile_format("%t %{%S}t")

    found = [line(replace(RECORD, time=RECORD.time + step)) for step in (0, 0.5, 1, -1, 0)]

    assert [one.split()[-1] for one in found] == [b"00", b"00", b"01", b"59", b"00"]
    assert [one[18:21] for one in found] == [b":00", b":00", b":01", b":59", b":00"]


def test_time_is_english_in_every_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """The month of %t never comes from the locale."""
    real = time.strftime
    monkeypatch.setattr(
        "pydaemonwsgi.front.log_fields.strftime", lambda layout, at: real(layout.replace("%b", "Foo"), at)
    )

    months = [render("%t", replace(RECORD, time=1767700000 + step * 2629800))[4:7] for step in range(12)]

    assert "".join(months) == "JanFebMarAprMayJunJulAugSepOctNovDec"


def test_formats_do_not_share_a_record() -> None:
    """One compiled format serves many records."""
    line = compile_format("%s %m")

    assert line(RECORD) == b"200 GET\n"
    assert line(replace(RECORD, status=404, method="HEAD")) == b"404 HEAD\n"


def test_record_needs_no_daemon() -> None:
    """A record of a request that never reached a daemon leaves its part at the defaults."""
    record = AccessRecord("::1", 1, "::1", 80, 0.0, "", "", "", 400, 0, 0, 0, 0.0, b"", b"", "", 0, "-")

    assert render("%P %{mod_wsgi.process_group}n %v %X", record) == "- - - -"


SITE = """
Listen 8000
ServerName main.test:8443
SetEnvIf Request_URI "^/static" kind=st"atic
DocumentRoot /srv
<Directory /srv>
    Require all granted
    Options Indexes
</Directory>
<Location /named>
    UseCanonicalName On
</Location>
WSGIScriptAlias /app /srv/app.wsgi
WSGIScriptAlias /named /srv/app.wsgi
"""
TREE = {"/srv/app.wsgi": "", "/srv/static.txt": "", "/srv/dir/x": ""}


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        ("/static.txt", "%{kind}e %{other}e", 'st\\"atic -'),
        ("/static.txt", "%f %R", "/srv/static.txt -"),
        ("/app/x", "%f %R", "/srv/app.wsgi wsgi-script"),
        ("/nothing", "%R", "-"),
        ("/app", "%v %V %p %{canonical}p %{local}p", "main.test asked.test 8443 8443 8000"),
        ("/named", "%v %V", "main.test main.test"),
        ("/app", "%s %<s %>s", "200 200 200"),
    ],
)
def test_what_the_configuration_decided_is_logged(target: str, text: str, expected: str) -> None:
    """A record knows its host, its variables, its file and who made the answer."""
    decision = router(SITE, TREE).decide(facts(target, host="asked.test"))
    assert render(text, replace(RECORD, decision=decision, host="asked.test", target=target)) == expected


@pytest.mark.parametrize(
    ("directives", "target", "expected"),
    [
        ("", "/a%2fb%20c", "/a/b c"),
        ("AllowEncodedSlashes On", "/a%2f%2e%2e/b%2Fc", "/b/c"),
        ("AllowEncodedSlashes NoDecode", "/a%2Fb%2fc%20d", "/a%2Fb%2fc d"),
        ("MergeSlashes Off", "/a//b/./c", "/a//b/c"),
    ],
)
def test_the_path_is_logged_as_the_host_reads_it(directives: str, target: str, expected: str) -> None:
    """What is decoded and merged depends on the host, as for httpd's r->uri."""
    decision = router(f"Listen 8000\n{directives}\n", {}).decide(facts(target))
    assert render("%U", replace(RECORD, decision=decision, target=target)) == expected


def test_an_error_document_has_two_statuses() -> None:
    """%s is of what the client asked for, %>s of what it got."""
    assert render("%s %<s %>s", replace(RECORD, status=200, document_of=404)) == "404 404 200"
    assert render("%404s %!404>s", replace(RECORD, status=200, document_of=404)) == "- 200"


@pytest.mark.parametrize(
    ("target", "condition", "wanted"),
    [("/static.txt", "kind", True), ("/static.txt", "!kind", False), ("/app", "kind", False), ("/app", "!kind", True)],
)
def test_a_condition_is_about_a_variable_of_the_request(target: str, condition: str, wanted: bool) -> None:
    """`env=NAME` wants the records that have it, `env=!NAME` the others; what has no decision has no variables."""
    wants = compile_condition(condition)
    decision = router(SITE, TREE).decide(facts(target, host="asked.test"))

    assert wants(replace(RECORD, decision=decision)) is wanted
    assert wants(RECORD) is condition.startswith("!")


@pytest.mark.parametrize("target", ["/health", "/missing"])
def test_a_condition_is_about_what_the_client_asked_for(target: str) -> None:
    """Not about what rules, or the page of an error, have made of it: variables are called otherwise there."""
    text = """Listen 80
DocumentRoot /tree
SetEnvIf Request_URI ^/(health|missing) quiet
ErrorDocument 404 /page.txt
<Directory /tree>
RewriteEngine On
RewriteRule ^health$ /page.txt [PT]
</Directory>
"""
    asked = router(text, {"/tree/page.txt": ""})
    asking = facts(target)
    decision = asked.decide(asking)
    if isinstance(decision, Refusal):
        shown = asked.error_document(asking, decision.common, decision.status)
        assert isinstance(shown, Static)
        decision = shown

    assert isinstance(decision, Static)
    assert compile_condition("quiet")(replace(RECORD, decision=decision))
    assert not compile_condition("!quiet")(replace(RECORD, decision=decision))
    assert "REDIRECT_quiet" in dict(decision.common.environment)
