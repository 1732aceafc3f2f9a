"""The kinds of values: what each text means, and what is refused."""

from typing import Any

import pytest

from pydaemonwsgi.config import values
from pydaemonwsgi.config.values import BadValueError, ListenAddress, ValueKind

MEANINGS: list[tuple[ValueKind[Any], str, object]] = [
    (values.whole_number(1, 65534), "1", 1),
    (values.whole_number(1, 65534), "65534", 65534),
    (values.whole_number(0), "007", 7),
    (values.duration(), "30", 30.0),
    (values.duration(), "0", 0.0),
    (values.duration(), "1.5", 1.5),
    (values.duration(), ".5s", 0.5),
    (values.duration(), "250ms", 0.25),
    (values.duration(), "30s", 30.0),
    (values.duration(), "5m", 300.0),
    (values.duration(), "1h", 3600.0),
    (values.duration(), "168h", 604800.0),
    (values.duration(shortest=0.001), "1ms", 0.001),
    (values.duration(whole=True), "90s", 90.0),
    (values.duration(whole=True), "1.5m", 90.0),
    (values.duration(whole=True), "2000ms", 2.0),
    (values.size(0), "0", 0),
    (values.size(512, or_zero=True), "0", 0),
    (values.size(512, or_zero=True), "0M", 0),
    (values.size(512, or_zero=True), "512", 512),
    (values.size(0), "8190", 8190),
    (values.size(0), "10k", 10240),
    (values.size(0), "10K", 10240),
    (values.size(0), "12b", 12),
    (values.size(0), "512M", 512 << 20),
    (values.size(0), "64kB", 65536),
    (values.size(0), "1GiB", 1 << 30),
    (values.size(0), "2T", 2 << 40),
    (values.octal_mask(), "022", 0o022),
    (values.octal_mask(), "0027", 0o027),
    (values.octal_mask(), "7", 7),
    (values.host_name(), "localhost", "localhost"),
    (values.host_name(), "0.0.0.0", "0.0.0.0"),
    (values.host_name(), "::", "::"),
    (values.host_name(), "[::1]", "::1"),
    (values.listen_address(), "127.0.0.1:8000", (ListenAddress("127.0.0.1", 8000),)),
    (values.listen_address(), "example.org:0", (ListenAddress("example.org", 0),)),
    (values.listen_address(), "[::1]:65535", (ListenAddress("::1", 65535),)),
    (values.listen_address(), ":80", (ListenAddress("", 80),)),
    (values.listen_address(), "*:80", (ListenAddress("", 80),)),
    (values.listen_address(), "unix:/run/a.sock", (ListenAddress("", 0, "/run/a.sock"),)),
    (values.listen_address(), "unix:a:b.sock", (ListenAddress("", 0, "a:b.sock"),)),
    (values.log_level(), "info", "info"),
    (values.log_level(), "NOTICE", "notice"),
    (values.log_level(), "warn", "warning"),
    (values.log_level(), "crit", "critical"),
    (values.log_level(), "alert", "critical"),
    (values.log_level(), "emerg", "critical"),
    (values.log_level(), "trace8", "debug"),
    (values.access_log_format(), "combined", "combined"),
    (values.access_log_format(), '%h "%r" %>s', '%h "%r" %>s'),
    (values.account_name(), "www-data", "www-data"),
    (values.account_name(), "#1000", "#1000"),
    (values.account_names(), "", ()),
    (values.account_names(), "a, #4,c", ("a", "#4", "c")),
    (values.group_title(), "localhost:8000", "localhost:8000"),
    (values.callable_name(), "application", "application"),
    (values.callable_name(), "site.wsgi_app", "site.wsgi_app"),
    (values.mount_point(), "/", "/"),
    (values.mount_point(), "///", "/"),
    (values.mount_point(), "/app/", "/app"),
    (values.mount_point(), "/a%20b", "/a b"),
    (values.mount_point(), "/a b/%C3%A9", "/a b/é"),
    (values.mount_point(), "/.hidden/..x", "/.hidden/..x"),
    (values.file_name("a file"), "-", "-"),
    (values.file_name("a file"), "logs/error log", "logs/error log"),
    (values.absolute_directory(), "/srv/site", "/srv/site"),
    (values.absolute_directory(), "/", "/"),
    (values.process_title(), "%{GROUP}", "%{GROUP}"),
    (values.process_title(), "shop (live) 100%", "shop (live) 100%"),
    (values.locale_name(), "C.UTF-8", "C.UTF-8"),
    (values.locale_name(), "de_DE@euro", "de_DE@euro"),
    (values.whole_number(-20, 20), "-20", -20),
    (values.directories(), "/a", ("/a",)),
    (values.directories(), "/a:b:/c", ("/a", "b", "/c")),
]

REFUSALS: list[tuple[ValueKind[Any], str, str]] = [
    (values.whole_number(1, 9), "abc", "is not a whole number"),
    (values.whole_number(1, 9), "5abc", "is not a whole number"),
    (values.whole_number(1, 9), "1.0", "is not a whole number"),
    (values.whole_number(1, 9), "", "is not a whole number"),
    (values.whole_number(1, 9), " 5", "is not a whole number"),
    (values.whole_number(1, 9), "5\n", "is not a whole number"),
    (values.whole_number(1, 9), "٣", "is not a whole number"),
    (values.whole_number(1, 9), "0", "is too small"),
    (values.whole_number(1, 9), "-5", "is too small"),
    (values.whole_number(1, 9), "10", "is too large"),
    (values.whole_number(1), "9" * 5000, "has too many digits"),
    (values.duration(), "soon", "is not a duration"),
    (values.duration(), "-1", "is not a duration"),
    (values.duration(), "1h30m", "is not a duration"),
    (values.duration(), "5 m", "is not a duration"),
    (values.duration(), "inf", "is not a duration"),
    (values.duration(), "1e3", "is not a duration"),
    (values.duration(), "8d", "is not a duration"),
    (values.duration(), "169h", "is too large"),
    (values.duration(), "9" * 400, "is too large"),
    (values.duration(shortest=0.001), "0", "is too small"),
    (values.duration(shortest=0.001), ".0001", "is too small"),
    (values.duration(whole=True), "500ms", "is not a whole number of seconds"),
    (values.duration(whole=True), "0.5", "is not a whole number of seconds"),
    (values.size(0), "-1", "is not a size"),
    (values.size(512, or_zero=True), "1", "is too small"),
    (values.size(512, or_zero=True), "511", "is too small"),
    (values.size(0), "1.5M", "is not a size"),
    (values.size(0), "10ib", "is not a size"),
    (values.size(0), "10 k", "is not a size"),
    (values.size(0), "9" * 5000, "has too many digits"),
    (values.size(16), "15", "is too small"),
    (values.size(0, 1024), "2k", "is too large"),
    (values.octal_mask(), "099", "is not an octal mask"),
    (values.octal_mask(), "0o22", "is not an octal mask"),
    (values.octal_mask(), "", "is not an octal mask"),
    (values.octal_mask(), "1000", "is too large"),
    (values.host_name(), "", "is not a host"),
    (values.host_name(), "a b", "is not a host"),
    (values.host_name(), "host:80", "is not an IPv6 address"),
    (values.host_name(), "[127.0.0.1]", "is not an IPv6 address"),
    (values.listen_address(), "8000", "names no port"),
    (values.listen_address(), "[::1]", "names no port"),
    (values.listen_address(), "localhost:", "has a port that is not a number from 0 to 65535"),
    (values.listen_address(), "localhost:http", "has a port that is not a number from 0 to 65535"),
    (values.listen_address(), "localhost:65536", "has a port that is not a number from 0 to 65535"),
    (values.listen_address(), "::1:80", "holds an IPv6 address without brackets"),
    (values.listen_address(), "[::g]:80", "is not an IPv6 address"),
    (values.listen_address(), "a/b:80", "is not a host"),
    (values.listen_address(), "unix:", "names no socket file"),
    (values.listen_address(), "unix:/" + "x" * 107, "is longer than a socket's path may be (107 bytes)"),
    (values.log_level(), "loud", "is not a log level"),
    (values.log_level(), "trace9", "is not a log level"),
    (
        values.access_log_format(),
        "combind",
        "is neither a known format nor a format string with % directives",
    ),
    (values.access_log_format(), "%h\n", "holds a control character"),
    (values.account_name(), "", "is not a name"),
    (values.account_name(), "-x", "is not a name"),
    (values.account_name(), "#x", "is not a name"),
    (values.account_name(), "a,b", "is more than one name"),
    (values.account_names(), "a,,b", "is not a name"),
    (values.group_title(), "a b", "is not a name for a process group"),
    (values.callable_name(), "app()", "is not a Python name"),
    (values.callable_name(), "a..b", "is not a Python name"),
    (values.callable_name(), "class", "is not a Python name"),
    (values.mount_point(), "app", "does not begin with /"),
    (values.mount_point(), "/a?b", "is not a URL path"),
    (values.mount_point(), "/a%0ab", "is not a URL path"),
    (values.mount_point(), "/%ff", "is not UTF-8 when it is decoded"),
    *(
        (values.mount_point(), text, "is no path that a request has: there //, /./ and /../ are resolved")
        for text in ("//x", "/a/../b", "/a/.", "/a//b", "/%2e")
    ),
    (values.file_name("a file"), "", "is empty"),
    (values.file_name("a file"), "a\0", "holds a NUL character"),
    (values.file_name("a file", standard_stream=False), "-", "is not a file name"),
    (values.absolute_directory(), "", "does not begin with /"),
    (values.absolute_directory(), "site", "does not begin with /"),
    (values.absolute_directory(), "/a\0", "holds a NUL character"),
    (values.process_title(), "", "is empty"),
    (values.process_title(), "a\nb", "holds a control character"),
    (values.process_title(), "x %{GROUP}", "holds a part that is not replaced: %{GROUP} must stand alone"),
    (values.process_title(), "%{PID}", "holds a part that is not replaced: %{GROUP} must stand alone"),
    (values.locale_name(), "", "is not the name of a locale"),
    (values.locale_name(), "../../etc", "is not the name of a locale"),
    (values.locale_name(), "de DE", "is not the name of a locale"),
    (values.whole_number(-20, 20), "-21", "is too small"),
    (values.whole_number(-20, 20), "21", "is too large"),
    (values.directories(), "", "is empty"),
    (values.directories(), "/a::/b", "holds an empty entry"),
]


@pytest.mark.parametrize(("kind", "text", "meaning"), MEANINGS)
def test_parse_understands(kind: ValueKind[Any], text: str, meaning: object) -> None:
    """A text that is accepted has the one meaning in the table."""
    assert kind.parse(text) == meaning


@pytest.mark.parametrize(("kind", "text", "meaning"), MEANINGS)
def test_render_is_read_back(kind: ValueKind[Any], text: str, meaning: object) -> None:
    """What is rendered from a value means that value."""
    assert kind.parse(kind.render(meaning)) == meaning


@pytest.mark.parametrize(("kind", "text", "problem"), REFUSALS)
def test_parse_refuses(kind: ValueKind[Any], text: str, problem: str) -> None:
    """A text that is refused is refused with the problem in the table."""
    with pytest.raises(BadValueError) as caught:
        kind.parse(text)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (values.duration(), 75.0, "75s"),
        (values.duration(), 300, "300s"),
        (values.duration(), 7200.0, "2h"),
        (values.duration(), 0.25, "250ms"),
        (values.duration(), 1.5, "1.5s"),
        (values.duration(), 0.0, "0s"),
        (values.duration(), 1e-5, "0.000010000000s"),
        (values.size(0), 10485760, "10M"),
        (values.size(0), 8190, "8190"),
        (values.size(0), 1 << 30, "1G"),
        (values.size(0), 0, "0"),
        (values.octal_mask(), 0o7, "007"),
    ],
)
def test_render_is_short(kind: ValueKind[Any], value: object, text: str) -> None:
    """A value is rendered in the largest unit that holds it exactly."""
    assert kind.render(value) == text


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (ListenAddress("localhost", 80), "localhost:80"),
        (ListenAddress("::1", 80), "[::1]:80"),
        (ListenAddress("", 80), ":80"),
        (ListenAddress("", 0, "/run/a.sock"), "unix:/run/a.sock"),
    ],
)
def test_listen_address_writes_itself_canonically(address: ListenAddress, text: str) -> None:
    """The text of a listen address is the one that --listen takes."""
    assert str(address) == text


def test_accepted_states_the_bounds() -> None:
    """What a number accepts names both bounds, or the lower one if there is no upper."""
    assert values.whole_number(1, 65534).accepted == "1 to 65534"
    assert values.whole_number(1).accepted == "1 or more"
    assert values.size(16, 1 << 20).accepted.endswith("16 to 1M")
    assert values.size(512, or_zero=True).accepted.endswith("0, or 512 or more")
    assert values.duration(shortest=0.001).accepted.endswith("1ms to 168h")
