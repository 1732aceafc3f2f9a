"""environ: what PEP 3333 and mod_wsgi.md section 4.2 promise an application, from what travelled in the frame."""

from typing import Any

import pytest

from pydaemonwsgi.channel.frames import RequestPayload
from pydaemonwsgi.daemon.file_wrapper import FileWrapper
from tests.unit.daemon.far_side import builder, environ_bytes

CONNECTION = b"REMOTE_ADDR\x00192.0.2.1\0SERVER_PORT\08000"


def payload(head: bytes = environ_bytes(), connection: bytes = CONNECTION) -> RequestPayload:
    """A request with these CGI variables."""
    return RequestPayload(100.25, 100.5, 0xAB, 0, connection, head, b"")


def build(head: bytes = environ_bytes(), **changes: Any) -> dict[str, Any]:
    """The environ of a request whose head has these CGI variables."""
    request = payload(head)
    return builder(**changes).build(request, daemon_start=101.0, application_start=101.5)[0]


def cgi(**items: str) -> bytes:
    """CGI variables as they travel."""
    return environ_bytes(**items)


def test_variables_of_the_front_arrive() -> None:
    """Every variable that the front sent is there as text, empty values included."""
    environ = build(b"REQUEST_METHOD\0POST\0PATH_INFO\0/a\0QUERY_STRING\0x=%201\0HTTP_EMPTY\0\0HTTP_LAST\0z")

    assert environ["REQUEST_METHOD"] == "POST"
    assert environ["PATH_INFO"] == "/a"
    assert environ["QUERY_STRING"] == "x=%201"
    assert environ["HTTP_EMPTY"] == ""
    assert environ["HTTP_LAST"] == "z"


def test_values_are_latin_1() -> None:
    """Bytes of UTF-8 in a path become the text that PEP 3333 asks for: one character for each byte."""
    environ = build(b"REQUEST_METHOD\0GET\0PATH_INFO\0/\xe2\x82\xac")
    assert environ["PATH_INFO"].encode("latin-1").decode("utf-8") == "/€"


@pytest.mark.parametrize("key", ["SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"])
def test_keys_that_are_always_there(key: str) -> None:
    """Applications may rely on these even when the front sent none."""
    assert build(b"REQUEST_METHOD\0GET")[key] == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("wsgi.version", (1, 0)),
        ("wsgi.url_scheme", "http"),
        ("wsgi.multithread", True),
        ("wsgi.multiprocess", False),
        ("wsgi.run_once", False),
        ("wsgi.input_terminated", True),
        ("wsgi.file_wrapper", FileWrapper),
        ("mod_wsgi.process_group", "jack-1"),
        ("mod_wsgi.application_group", ""),
        ("mod_wsgi.callable_object", "application"),
        ("mod_wsgi.request_handler", "wsgi-script"),
        ("mod_wsgi.handler_script", ""),
        ("mod_wsgi.request_id", "00000000000000ab"),
        ("mod_wsgi.request_start", 100.25),
        ("mod_wsgi.queue_start", 100.5),
        ("mod_wsgi.daemon_start", 101.0),
        ("mod_wsgi.application_start", 101.5),
        ("SCRIPT_FILENAME", "/srv/app.wsgi"),
    ],
    ids=lambda value: value if isinstance(value, str) and ("." in value or value.isupper()) else "",
)
def test_keys_of_the_server(key: str, value: object) -> None:
    """Each key of the table has its value."""
    assert build()[key] == value


@pytest.mark.parametrize("key", ["apache.version", "mod_wsgi.version"])
def test_versions_are_three_numbers(key: str) -> None:
    """Code that compares versions finds a tuple of three ints."""
    version = build()[key]
    assert [type(part) for part in version] == [int, int, int]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_scheme_follows_the_front(scheme: str) -> None:
    """`wsgi.url_scheme` is what the front says."""
    assert build(cgi(REQUEST_SCHEME=scheme))["wsgi.url_scheme"] == scheme


def test_mount_point_and_path_are_kept_as_the_front_sent_them() -> None:
    """`mod_wsgi.script_name` and `mod_wsgi.path_info` repeat what travelled."""
    environ = build(b"REQUEST_METHOD\0GET\0SCRIPT_NAME\0/app\0PATH_INFO\0/x")
    assert (environ["mod_wsgi.script_name"], environ["mod_wsgi.path_info"]) == ("/app", "/x")


@pytest.mark.parametrize("name", ["multithread", "multiprocess", "run_once"])
@pytest.mark.parametrize("value", [True, False])
def test_flags_of_the_group(name: str, value: bool) -> None:
    """The three concurrency flags are the configured ones."""
    flags: dict[str, Any] = {name: value}
    assert build(**flags)[f"wsgi.{name}"] is value


def test_a_module_has_no_script_filename() -> None:
    """An application from a module has no script to name."""
    assert "SCRIPT_FILENAME" not in build(script_filename=None)


@pytest.mark.parametrize(
    "key",
    ["GATEWAY_INTERFACE", "PATH_TRANSLATED", "SERVER_SIGNATURE", "REMOTE_HOST", "PATH", "HOME", "LD_LIBRARY_PATH"],
)
def test_keys_that_are_absent(key: str) -> None:
    """Nothing of the process's own environment gets into a request's environ."""
    assert key not in build()


def test_variables_of_connection_and_head_come_together() -> None:
    """The application sees one environ, in which the head wins over the connection."""
    request = payload(b"REQUEST_METHOD\0GET\0SERVER_NAME\0head", CONNECTION + b"\0SERVER_NAME\0connection")
    environ = builder().build(request, daemon_start=1.0, application_start=1.0)[0]

    assert environ["REMOTE_ADDR"] == "192.0.2.1"
    assert environ["SERVER_NAME"] == "head"


def test_environs_are_independent() -> None:
    """What an application does to one environ is not seen in the next one of the same client and head."""
    environs = builder()
    first = environs.build(payload(), daemon_start=1.0, application_start=1.0)[0]
    pristine = dict(first)
    for key in list(first):
        first[key] = "changed"
    first["leak"] = True
    second = environs.build(payload(), daemon_start=1.0, application_start=1.0)[0]

    assert type(second) is dict
    assert second == pristine


def test_environs_of_many_clients_do_not_mix() -> None:
    """However many connections and heads alternate, each environ is its own request's (CVE-2014-0242)."""
    environs = builder()
    for number in range(3000):
        connection, head = number % 700, number % 900
        request = payload(
            b"REQUEST_METHOD\0GET\0HTTP_ONLY_%d\0yes\0HTTP_HEAD\0%d" % (head, head), b"REMOTE_PORT\0%d" % connection
        )._replace(request_id=number)
        environ = environs.build(request, daemon_start=1.0, application_start=1.0)[0]
        assert (environ["REMOTE_PORT"], environ["HTTP_HEAD"]) == (str(connection), str(head))
        assert [key for key in environ if key.startswith("HTTP_")] == [f"HTTP_ONLY_{head}", "HTTP_HEAD"]
        assert environ["mod_wsgi.request_id"] == f"{number:016x}"


def test_the_scheme_of_one_request_does_not_stick() -> None:
    """A plain request after one by https, with the same head otherwise, is a plain one."""
    environs = builder()
    schemes = []
    for more in (b"", b"\0REQUEST_SCHEME\0https", b""):
        for place in ("head", "connection"):
            request = payload(b"REQUEST_METHOD\0GET")
            request = request._replace(**{place: getattr(request, place) + more})
            environ = environs.build(request, daemon_start=1.0, application_start=1.0)[0]
            schemes.append(environ["wsgi.url_scheme"])
    assert schemes == ["http", "http", "https", "https", "http", "http"]
