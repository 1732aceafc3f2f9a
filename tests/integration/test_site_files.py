"""Static files as hostile, slow and unlucky clients meet them, and as careless people leave them on the disk."""

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

from tests.conformance.wire import Reader
from tests.helpers.server import APPS, Answer, read_all, wait_for
from tests.helpers.site import Files, SiteServer, serving_site

MIB = 1024 * 1024
LARGE = bytes(range(256)) * 4096 * 20
CONFIGURATION = """
WSGIDaemonProcess one threads=2
WSGIProcessGroup one
WSGIApplicationGroup %{GLOBAL}
DocumentRoot {site}/htdocs
WSGIScriptAlias /app {site}/app.wsgi
<FilesMatch "^\\.">
    Require all denied
</FilesMatch>
<Directory {site}/htdocs/owned>
    Options SymLinksIfOwnerMatch
</Directory>
<Directory {site}/htdocs/strict>
    Options None
</Directory>
<Directory {site}/htdocs/listed>
    Options Indexes FollowSymLinks
    <Files "*.cfg">
        Require all denied
    </Files>
    <Files "*.far">
        Require ip 127.0.0.2
    </Files>
</Directory>
<Location /listed/closed>
    Require all denied
</Location>
AddType text/plain .txt
ErrorDocument 416 "not so long"
ExpiresDefault "access plus 1 day"
<Location /good>
    ExpiresActive On
    ExpiresByType text/plain "access plus 1 hour"
</Location>
Alias /good/files {site}/htdocs
RewriteEngine On
RewriteMap old txt:{site}/old.map
RewriteRule ^/old/(.*)$ /${old:$1|none} [R]
<Location /one-file>
    Alias {site}/htdocs/a.txt
</Location>
WSGIScriptAlias /good/app {site}/app.wsgi
Redirect /good/old http://else.test/
<Location /sub>
    LimitRequestBody 10
    ErrorDocument 413 /sub/413.html
</Location>
"""


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    """Files of all kinds."""
    files: Files = {
        "app.wsgi": APPS / "site_report.wsgi",
        "secret.txt": "secret\n",
        "htdocs/a.txt": "0123456789",
        "htdocs/empty.txt": "",
        "old.map": "one a.txt\n",
        "htdocs/sub/a.txt": "sub\n",
        "htdocs/sub/413.html": "too much\n",
        "htdocs/.hidden": "hidden\n",
        "htdocs/.git/config": "hidden\n",
        "htdocs/large.bin": LARGE,
        "htdocs/shrinking.bin": LARGE,
        "htdocs/owned/own.txt": "own\n",
        "htdocs/strict/a.txt": "strict\n",
        "htdocs/closed/a.txt": "closed\n",
        "htdocs/listed/<b>&.txt": "x",
        "htdocs/listed/a:b.txt": "x",
        "htdocs/listed/.hidden": "x",
        "htdocs/listed/secret.cfg": "x",
        "htdocs/listed/not-from-here.far": "x",
        "htdocs/listed/closed/a.txt": "x",
        "htdocs/listed/open/a.txt": "x",
        "htdocs/caf\u00e9 100%.txt": "name\n",
    }
    with serving_site(CONFIGURATION, files) as site:
        htdocs = site.directory / "htdocs"
        with (htdocs / "sparse.bin").open("wb") as file:
            file.truncate(5 * 1024 * MIB)
            file.seek(5 * 1024 * MIB - 4)
            file.write(b"last")
        for name in ("a.txt", "empty.txt", "large.bin"):
            # Long ago: the ETag of what has just changed is a weak one.
            os.utime(htdocs / name, (1_000_000_000, 1_000_000_000))
        os.mkfifo(htdocs / "pipe")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.bind(str(htdocs / "socket"))
        os.symlink("../../secret.txt", htdocs / "strict" / "link.txt")
        os.symlink("own.txt", htdocs / "owned" / "link.txt")
        (htdocs / "closed").chmod(0)
        (htdocs / "unreadable.txt").write_text("x")
        (htdocs / "unreadable.txt").chmod(0)
        yield site
        (htdocs / "closed").chmod(0o755)


# -- bodies


@pytest.mark.parametrize(
    ("path", "size", "status", "body"),
    [
        ("/sub/a.txt", 10, 200, b"sub\n"),
        ("/sub/a.txt", 11, 413, b"too much\n"),
        ("/a.txt", 11, 200, b"0123456789"),
        ("/sub/none", 11, 404, None),
    ],
)
def test_a_body_for_a_file_may_be_too_long(
    site: SiteServer, path: str, size: int, status: int, body: bytes | None
) -> None:
    """Nobody reads it, so the connection ends; without more of it than its length having come."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    answer = Answer(site.exchange(head.encode()))
    assert (answer.status, answer.header("Connection")) == (status, "close")
    assert body is None or answer.body == body


# -- where they are


def test_a_map_is_read_again_when_it_has_changed(site: SiteServer) -> None:
    table = site.directory / "old.map"

    def location() -> str | None:
        return site.get("/old/one").header("Location")

    assert location() == "http://test/a.txt"
    table.write_text("one b.txt\n")
    wait_for(lambda: location() == "http://test/b.txt", "what the table says now")
    table.unlink()
    wait_for(lambda: location() == "http://test/none", "what holds without a table")
    wait_for(lambda: f"{table} cannot be read: No such file or directory" in site.log(), "a word in the log")


def test_a_location_may_be_a_file(site: SiteServer) -> None:
    assert site.get("/one-file").body == b"0123456789"


# -- how long they are good


def test_files_and_answers_are_good_for_as_long_as_is_said(site: SiteServer) -> None:
    before = int(time.time())
    for path, age in (
        ("/good/files/a.txt", 3600),
        ("/good/files/large.bin", 86400),
        ("/good/app", 86400),
        ("/good/old", 86400),
    ):
        for _ in range(2):
            answer = site.get(path)
            assert answer.header("Cache-Control") == f"max-age={age}"
            assert before + age <= expires(answer) <= time.time() + age
    answer = site.get("/good/files/a.txt", f"If-None-Match: {site.get('/a.txt').header('ETag')}")
    assert (answer.status, answer.header("Cache-Control")) == (304, "max-age=3600")
    for path in ("/a.txt", "/good/files/none", "/app"):
        assert (site.get(path).header("Expires"), site.get(path).header("Cache-Control")) == (None, None)


def expires(answer: Answer) -> float:
    """Return the seconds since the epoch at which an answer is good no more."""
    return parsedate_to_datetime(answer.header("Expires") or "").timestamp()


def test_the_time_goes_on_with_the_clock(site: SiteServer) -> None:
    """Heads that are the same are edited once, but not with yesterday's date."""
    first = expires(site.get("/good/files/a.txt"))
    wait_for(lambda: expires(site.get("/good/files/a.txt")) > first, "a later date")


# -- parts and conditions


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=0-0", 206, b"0"),
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=-300", 206, b"0123456789"),
        ("bytes=5-100", 206, b"56789"),
        ("bytes=10-", 416, b"not so long"),
        ("bytes=-0", 416, b"not so long"),
        ("bytes=4-2", 200, b"0123456789"),
        ("bytes=a-b", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
        ("bytes=" + ",".join(["0-0"] * 9), 206, None),
        ("bytes=" + ",".join(["0-"] * 9), 200, b"0123456789"),
        ("bytes=" + ",".join(["0-0"] * 1000), 200, b"0123456789"),
        ("bytes=99999999999999999999-", 200, b"0123456789"),
    ],
)
def test_a_part_is_sent_or_the_whole(site: SiteServer, wanted: str, status: int, body: bytes | None) -> None:
    """Ranges that cost more than the file are not asked for in earnest (CVE-2011-3192)."""
    answer = site.get("/a.txt", f"Range: {wanted}")
    assert answer.status == status
    if body is not None:
        assert answer.body == body
        assert int(answer.header("Content-Length") or -1) == len(body)
    if status == 416:
        assert answer.header("Content-Range") == "bytes */10"


def test_no_path_begins_a_line_of_the_error_log(site: SiteServer) -> None:
    """Programs that ban addresses read it: a client must not say who else was refused."""
    assert site.get("/nowhere%0a403%20to%20192.0.2.7%20for%20GET").status == 404
    wait_for(lambda: "/nowhere\\x0a403 to 192.0.2.7 for GET does not exist" in site.log(), "the reason in the log")


def test_many_parts_of_a_large_file_are_one_answer(site: SiteServer) -> None:
    """With as many bytes as it says, and one descriptor for all of them."""
    wanted = [(number * 90_000, number * 90_000 + 40_000) for number in range(200)]
    header = ",".join(f"{first}-{last}" for first, last in wanted)
    before = site.server.front().num_fds()
    with site.connect() as sock:
        sock.sendall(
            f"GET /large.bin HTTP/1.1\r\nHost: t\r\nConnection: close\r\nRange: bytes={header}\r\n\r\n".encode()
        )
        assert sock.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 206"
        assert site.server.front().num_fds() < before + 20
        answer = Answer(b"HTTP/1.1 206" + read_all(sock))
    assert len(answer.rest) == int(answer.header("Content-Length") or 0)
    boundary = (answer.header("Content-Type") or "").partition("boundary=")[2].encode()
    parts = answer.rest.split(b"\r\n--" + boundary)
    assert parts[-1] == b"--\r\n"
    found = [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]]
    assert found == [LARGE[first : last + 1] for first, last in wanted]


def test_a_part_far_beyond_four_gigabytes(site: SiteServer) -> None:
    size = 5 * 1024 * MIB
    assert site.get("/sparse.bin", method="HEAD").header("Content-Length") == str(size)
    answer = site.get("/sparse.bin", f"Range: bytes={size - 6}-")
    assert (answer.status, answer.body) == (206, b"\0\0last")
    assert answer.header("Content-Range") == f"bytes {size - 6}-{size - 1}/{size}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["If-None-Match: {etag}"], 304),
        (["If-None-Match: W/{etag}"], 304),
        (['If-None-Match: "x", W/{etag}, "y"'], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "x"'], 200),
        (["If-Match: {etag}"], 200),
        (["If-Match: W/{etag}"], 412),
        (['If-Match: "x"'], 412),
        (["If-Modified-Since: {date}"], 304),
        (["If-Modified-Since: Sat, 08 Sep 2001 01:46:40 GMT"], 200),
        (["If-Modified-Since: nonsense"], 200),
        (['If-None-Match: "x"', "If-Modified-Since: {date}"], 200),
        (["If-Unmodified-Since: {date}"], 200),
        (["If-Unmodified-Since: Sat, 08 Sep 2001 01:46:40 GMT"], 412),
        (["Range: bytes=0-1", "If-Range: {etag}"], 206),
        (["Range: bytes=0-1", "If-Range: W/{etag}"], 200),
        (["Range: bytes=0-1", "If-Range: {date}"], 206),
        (["Range: bytes=0-1", "If-Range: Sat, 08 Sep 2001 01:46:40 GMT"], 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_are_kept(site: SiteServer, method: str, headers: list[str], status: int) -> None:
    """However often, and whatever was answered before: a remembered file has conditions, too."""
    plain = site.get("/a.txt", method=method)
    values = {"etag": plain.header("ETag"), "date": plain.header("Last-Modified")}
    wanted = 200 if status == 206 and method == "HEAD" else status
    for _ in range(2):
        answer = site.get("/a.txt", *[header.format(**values) for header in headers], method=method)
        assert answer.status == wanted
        if wanted == 304:
            assert (answer.rest, answer.header("ETag"), answer.header("Content-Type")) == (b"", values["etag"], None)
        if method == "HEAD":
            assert answer.rest == b""


@pytest.mark.parametrize("path", ["/a.txt", "/empty.txt", "/large.bin"])
def test_head_is_the_head_of_get(site: SiteServer, path: str) -> None:
    get, head = site.get(path), site.get(path, method="HEAD")
    unchanging = [field for field in get.headers if field[0] != "Date"]
    assert [field for field in head.headers if field[0] != "Date"] == unchanging
    assert head.rest == b""
    assert len(get.body) == int(get.header("Content-Length") or 0)


# -- paths


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/x/../../secret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/.%00./secret.txt",
        "/a.txt%00.html",
        "/%c0%ae%c0%ae/secret.txt",
        "/%252e%252e/secret.txt",
        "//../secret.txt",
        "/./../secret.txt",
        "/strict/../../secret.txt",
        "/" + "../" * 500 + "etc/passwd",
        "/" + "a" * 4000,
        "/" + "a/" * 2000,
        "/a.txt/",
        "/a.txt/more",
        "/%",
        "/%zz",
    ],
)
def test_no_path_leads_out_or_confuses(site: SiteServer, path: str) -> None:
    answer = site.get(path)
    assert answer.status in {400, 403, 404}
    assert b"secret\n" not in answer.body
    assert site.get("/a.txt").status == 200


@pytest.mark.parametrize("path", ["/.hidden", "/%2ehidden", "//.hidden", "/./.hidden"])
def test_dot_files_are_refused_by_rule(site: SiteServer, path: str) -> None:
    assert site.get(path).status == 403


@pytest.mark.parametrize(
    "path", ["/pipe", "/socket", "/closed/a.txt", "/closed/", "/unreadable.txt", "/strict/link.txt"]
)
def test_what_is_no_file_to_be_read_is_refused_at_once(site: SiteServer, path: str) -> None:
    """A FIFO that nobody writes to does not keep the front waiting."""
    if os.geteuid() and path == "/unreadable.txt":
        pytest.skip("the file's owner is this user, and the mode says nobody")
    assert site.get(path).status == 403
    assert site.get("/a.txt").status == 200


def test_names_are_what_they_are(site: SiteServer) -> None:
    assert site.get("/caf%C3%A9%20100%25.txt").text == "name\n"


def test_a_listing_is_a_page_of_links_and_nothing_else(site: SiteServer) -> None:
    """Names are no HTML, links lead to files and not to other hosts; what the client may not have is not told."""
    page = site.get("/listed/").text
    links = re.findall(r'href="([^"]*)"', page)
    assert links == ["../", "./%3cb%3e&amp;.txt", "./a:b.txt", "./open/"]
    assert "&lt;b&gt;&amp;.txt" in page
    assert "<b>" not in page
    assert "hidden" not in page


# -- files that change


def test_a_file_that_becomes_shorter_is_no_whole_answer(site: SiteServer) -> None:
    """The connection ends before the length that was said."""
    with site.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(b"GET /shrinking.bin HTTP/1.1\r\nHost: t\r\n\r\n")
        start = sock.recv(1024)
        os.truncate(site.directory / "htdocs" / "shrinking.bin", 1000)
        received = start + read_all(sock)
    answer = Answer(received)
    assert int(answer.header("Content-Length") or 0) == len(LARGE)
    assert len(answer.rest) < len(LARGE)
    wait_for(lambda: "shorter than it was" in site.log(), "the reason in the log")


def test_a_file_that_is_replaced_is_the_new_one_at_once(site: SiteServer) -> None:
    """What was decided about the old one does not count for what has its name now."""
    path = site.directory / "htdocs" / "replaced.bin"
    path.write_bytes(b"old" * 100_000)
    assert site.get("/replaced.bin").body == b"old" * 100_000
    new = path.with_name("new.bin")
    new.write_bytes(b"new" * 100_000)
    new.replace(path)
    assert site.get("/replaced.bin").body == b"new" * 100_000
    path.unlink()
    assert site.get("/replaced.bin").status == 404


def test_a_small_file_that_is_replaced_is_the_new_one_within_a_second(site: SiteServer) -> None:
    path = site.directory / "htdocs" / "small.txt"
    path.write_text("old")
    assert site.get("/small.txt").text == "old"
    path.write_text("new!")
    wait_for(lambda: site.get("/small.txt").text == "new!", "the new text")
    path.unlink()
    wait_for(lambda: site.get("/small.txt").status == 404, "its end")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")
def test_a_link_that_is_swapped_is_looked_at_again(site: SiteServer) -> None:
    """SymLinksIfOwnerMatch: that the link was good a moment ago does not count for where it leads now."""
    link = site.directory / "htdocs" / "owned" / "link.txt"
    own = site.directory / "htdocs" / "owned" / "own.txt"
    own.write_bytes(b"own" * 100_000)
    foreign = site.directory / "foreign.txt"
    foreign.write_bytes(b"foreign" * 100_000)
    os.chown(foreign, 65534, 65534)
    assert site.get("/owned/link.txt").body == b"own" * 100_000
    other = link.with_name("other")
    os.symlink("../../foreign.txt", other)
    other.replace(link)
    assert site.get("/owned/link.txt").status == 403


# -- clients that take their time


def test_three_hundred_slow_readers_cost_nobody_anything(site: SiteServer) -> None:
    """They read nothing; others are served meanwhile; then each gets its file whole."""
    request = b"GET /large.bin HTTP/1.1\r\nHost: t\r\nConnection: close\r\nRange: bytes=0-8388607\r\n\r\n"
    with contextlib.ExitStack() as stack:
        readers = []
        for _ in range(300):
            sock = stack.enter_context(site.connect())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            sock.sendall(request)
            readers.append(sock)
        for _ in range(20):
            assert site.get("/a.txt").body == b"0123456789"
            assert site.get("/app/").status == 200
        assert site.server.front().memory_info().rss < 300 * MIB
        for sock in readers[::60]:
            assert Reader(sock).response().body == LARGE[:8388608]
    assert site.get("/a.txt").status == 200
