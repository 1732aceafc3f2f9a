"""targets: the forms of RFC 9112 section 3.2, and what a path becomes before it is matched and passed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.http.targets import Target, read_target, split_host


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param(b"/", b"/", id="root"),
        pytest.param(b"/a/b", b"/a/b", id="plain"),
        pytest.param(b"/a/", b"/a/", id="trailing-slash"),
        pytest.param(b"//a", b"/a", id="two-slashes-first"),
        pytest.param(b"/app//a///b", b"/app/a/b", id="slashes-inside"),
        pytest.param(b"/a//", b"/a/", id="two-slashes-last"),
        pytest.param(b"/a/./b", b"/a/b", id="dot"),
        pytest.param(b"/a/.", b"/a/", id="dot-last"),
        pytest.param(b"/a/../b", b"/b", id="dot-dot"),
        pytest.param(b"/a/..", b"/", id="dot-dot-last"),
        pytest.param(b"/a//../b", b"/b", id="dot-dot-after-two-slashes"),
        pytest.param(b"/a/b/../../c", b"/c", id="dot-dot-twice"),
        pytest.param(b"/a/%2e%2E/b", b"/b", id="dot-dot-encoded"),
        pytest.param(b"/.hidden/..x/x..", b"/.hidden/..x/x..", id="names-with-dots"),
        pytest.param(b"/a%20b", b"/a b", id="space"),
        pytest.param(b"/%E2%82%ac", b"/\xe2\x82\xac", id="utf-8"),
        pytest.param(b"/%ff", b"/\xff", id="not-utf-8"),
        pytest.param(b"/%252f", b"/%2f", id="decoded-once-only"),
        pytest.param(b"/a%3Fb", b"/a?b", id="encoded-question-mark"),
        pytest.param(b"/a%23b", b"/a#b", id="encoded-hash"),
        pytest.param(b"/a;p=1", b"/a;p=1", id="parameters"),
        pytest.param(b"/a+b", b"/a+b", id="plus-stays"),
    ],
)
def test_path_is_decoded_once_and_normalised(raw: bytes, path: bytes) -> None:
    """A path is decoded once, dot segments are resolved and runs of slashes made one."""
    assert read_target(b"GET", raw) == Target(path, b"", None, 0)


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        pytest.param(b"/a", b"", id="none"),
        pytest.param(b"/a?", b"", id="empty"),
        pytest.param(b"/a?x=%20&y=%zz//..", b"x=%20&y=%zz//..", id="not-touched"),
        pytest.param(b"/a?b?c", b"b?c", id="second-question-mark"),
        pytest.param(b"http://h?q=1", b"q=1", id="absolute-without-path"),
        pytest.param(b"http://h/a?q=/1", b"q=/1", id="absolute"),
    ],
)
def test_query_is_passed_as_it_was_sent(raw: bytes, query: bytes) -> None:
    """The query is everything after the first question mark, never decoded."""
    assert read_target(b"GET", raw).query == query


@pytest.mark.parametrize("slash", [b"%2f", b"%2F"], ids=["lower", "upper"])
def test_encoded_slash_is_not_found(slash: bytes) -> None:
    """A path with an encoded slash is well formed and names nothing: 404 (AllowEncodedSlashes Off)."""
    assert read_target(b"GET", b"/a" + slash + b"b").refusal == 404


def test_encoded_slash_in_the_query_is_fine() -> None:
    """An encoded slash counts in the path only."""
    assert read_target(b"GET", b"/a?b=%2F").refusal == 0


@pytest.mark.parametrize(
    ("raw", "path", "authority"),
    [
        pytest.param(b"http://Example.com/a", b"/a", b"Example.com", id="http"),
        pytest.param(b"HTTPS://e:8443/a", b"/a", b"e:8443", id="https-port-any-case"),
        pytest.param(b"http://e", b"/", b"e", id="no-path"),
        pytest.param(b"http://[::1]:80/a", b"/a", b"[::1]:80", id="ipv6"),
        pytest.param(b"http://e//a/../b", b"/b", b"e", id="normalised-too"),
    ],
)
def test_absolute_form_names_its_authority(raw: bytes, path: bytes, authority: bytes) -> None:
    """An absolute target gives path and authority."""
    target = read_target(b"GET", raw)

    assert (target.path, target.authority) == (path, authority)


def test_asterisk_is_for_options() -> None:
    """`OPTIONS *` is about the server."""
    assert read_target(b"OPTIONS", b"*") == Target(b"*", b"", None, 0)


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        pytest.param(b"GET", b"*", id="asterisk-for-get"),
        pytest.param(b"OPTIONS", b"**", id="two-asterisks"),
        pytest.param(b"GET", b"example.com:80", id="authority-form"),
        pytest.param(b"GET", b"a/b", id="relative"),
        pytest.param(b"GET", b"?a", id="query-only"),
        pytest.param(b"GET", b"ftp://e/a", id="other-scheme"),
        pytest.param(b"GET", b"http:/e/a", id="one-slash"),
        pytest.param(b"GET", b"http:///a", id="no-authority"),
        pytest.param(b"GET", b"http://:80/a", id="port-only"),
        pytest.param(b"GET", b"http://u@e/a", id="userinfo"),
        pytest.param(b"GET", b"http://u:p@e/a", id="userinfo-with-password"),
        pytest.param(b"GET", b"http://e:x/a", id="port-no-number"),
        pytest.param(b"GET", b"http://e:65536/a", id="port-too-large"),
        pytest.param(b"GET", b"http://e\\f/a", id="backslash-in-authority"),
        pytest.param(b"GET", b"/a#b", id="fragment"),
        pytest.param(b"GET", b"/a?b#c", id="fragment-after-query"),
        pytest.param(b"GET", b"http://e/a#b", id="fragment-absolute"),
        pytest.param(b"GET", b"http://e#b", id="fragment-after-authority"),
        pytest.param(b"GET", b"/%", id="percent-last"),
        pytest.param(b"GET", b"/%4", id="percent-and-one-digit"),
        pytest.param(b"GET", b"/%zz", id="percent-and-no-digits"),
        pytest.param(b"GET", b"/%+1", id="percent-and-sign"),
        pytest.param(b"GET", b"/%00", id="nul"),
        pytest.param(b"GET", b"/a%00/../b", id="nul-in-a-segment-that-goes"),
        pytest.param(b"GET", b"/..", id="above-the-root"),
        pytest.param(b"GET", b"/a/../../b", id="above-the-root-later"),
        pytest.param(b"GET", b"/%2e%2e/b", id="above-the-root-encoded"),
        pytest.param(b"GET", b"http://e/../a", id="above-the-root-absolute"),
    ],
)
def test_wrong_target_is_refused(method: bytes, raw: bytes) -> None:
    """A target that the method may not have, or that is none, is 400."""
    with pytest.raises(HttpError) as caught:
        read_target(method, raw)

    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        pytest.param(b"", (b"", b""), id="empty"),
        pytest.param(b"Example.com", (b"Example.com", b""), id="name"),
        pytest.param(b"example.com:8000", (b"example.com", b"8000"), id="name-and-port"),
        pytest.param(b"example.com:", (b"example.com", b""), id="empty-port"),
        pytest.param(b"192.0.2.1:65535", (b"192.0.2.1", b"65535"), id="ipv4-and-highest-port"),
        pytest.param(b"[2001:db8::1]", (b"[2001:db8::1]", b""), id="ipv6"),
        pytest.param(b"[::ffff:192.0.2.1]:80", (b"[::ffff:192.0.2.1]", b"80"), id="ipv6-and-port"),
        pytest.param(b"a_b~c!.%C3%A4", (b"a_b~c!.%C3%A4", b""), id="any-registered-name"),
    ],
)
def test_host_is_split(host: bytes, parts: tuple[bytes, bytes]) -> None:
    """A host is a name, an address or an IP literal, perhaps with a port."""
    assert split_host(host) == parts


@pytest.mark.parametrize(
    "host",
    [
        pytest.param(b"a/b", id="slash"),
        pytest.param(b"u@a", id="at"),
        pytest.param(b"a b", id="space"),
        pytest.param(b"a\tb", id="tab"),
        pytest.param(b"a:b", id="port-no-number"),
        pytest.param(b"a:+80", id="port-with-sign"),
        pytest.param(b"a:80:80", id="two-ports"),
        pytest.param(b"a:65536", id="port-too-large"),
        pytest.param(b"a:000080", id="port-too-long"),
        pytest.param(b"::1", id="ipv6-without-brackets"),
        pytest.param(b"[::1", id="bracket-open"),
        pytest.param(b"[::1]x", id="after-the-bracket"),
        pytest.param(b"[a.b]", id="no-address-in-brackets"),
        pytest.param(b"[zz]", id="no-hexadecimal-in-brackets"),
        pytest.param(b"a%zz", id="bad-escape"),
        pytest.param(b"a?b", id="question-mark"),
        pytest.param(b"a#b", id="hash"),
        pytest.param(b"a\\b", id="backslash"),
        pytest.param(b'a"b', id="quote"),
        pytest.param(b"<a>", id="angle-brackets"),
        pytest.param(b"\xe4", id="eight-bit"),
        pytest.param(b"a\n", id="line-feed"),
    ],
)
def test_wrong_host_is_refused(host: bytes) -> None:
    """What is no host is 400."""
    with pytest.raises(HttpError) as caught:
        split_host(host)

    assert caught.value.status == 400


@given(st.binary(max_size=60).map(lambda tail: bytes(33 + byte % 94 for byte in tail)))
def test_every_path_ends_normal_or_refused(tail: bytes) -> None:
    """Whatever visible bytes follow the slash, the path comes out without dot segments and empty segments."""
    try:
        target = read_target(b"GET", b"/" + tail)
    except HttpError:
        return
    assert target.path.startswith(b"/")
    assert b"//" not in target.path
    assert not {b".", b".."} & set(target.path.split(b"/"))
    assert b"\0" not in target.path
