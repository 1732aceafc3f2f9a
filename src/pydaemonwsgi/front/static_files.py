"""Static files: what of a file a client gets, and how. Shell over `http.conditional` and `http.ranges`."""

import asyncio
import errno
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.http.conditional import Validators, evaluate, file_validators, range_applies
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.http.ranges import ByteRange, multipart_heads, read_ranges
from pydaemonwsgi.http.response import ResponseHead, compose_head
from pydaemonwsgi.routing.decisions import Listing, Static
from pydaemonwsgi.routing.paths import as_bytes, as_text, escape_path
from pydaemonwsgi.routing.request import Facts
from pydaemonwsgi.system.page_cache import is_cached

if TYPE_CHECKING:
    from pydaemonwsgi.front.answering import Answering

__all__ = ["StaticFiles"]

# Files up to this length are read, and go out in one piece with their head.
_SMALL: Final = 64 * 1024
# Bytes of small files that are remembered, with what an entry costs besides.
_REMEMBERED_BYTES: Final = 16 * 1024 * 1024
_ENTRY: Final = 1024
_TOO_LONG: Final = 413
_NO_FILE: Final = 404
_NO_ACCESS: Final = 403
_NO_ROOM: Final = 503
# What becomes better by itself; whoever may see the file should ask again.
_PASSING: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))


class _Small(NamedTuple):
    """A small file, as it was when this decision was made about it."""

    decision: Static
    head: ResponseHead
    body: bytes


class StaticFiles:
    """Answers requests for files and directories.

    Args:
        loop: the front's.
        disk: where threads wait for a disk.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, disk: Executor) -> None:
        self._loop = loop
        self._disk = disk
        self._small: dict[str, _Small] = {}
        self._small_bytes = 0

    def answer(self, client: "Answering", route: Route, decision: Static) -> None:
        """Answer a request for a file."""
        head = client.head
        if head is not None and head.has_body and not route.is_internal and _is_too_long(head, route):
            client.deny(_TOO_LONG, f"a body of {head.content_length} bytes is more than LimitRequestBody allows")
            return
        known = self._small.get(decision.filename)
        if known is not None and known.decision is decision and not route.is_internal and client.takes_whole:
            client.respond(known.head, known.body)
            return
        try:
            descriptor = os.open(as_bytes(decision.filename), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except (FileNotFoundError, NotADirectoryError):
            if not client.look_again():
                client.deny(_NO_FILE, f"{decision.filename} has gone")
            return
        except OSError as error:
            client.deny(_status(error), f"{decision.filename}: {error.strerror}")
            return
        found = os.fstat(descriptor)
        same = (found.st_dev, found.st_ino) == (decision.facts.device, decision.facts.inode)
        if not (same and self._send(client, route, decision, descriptor, found)):
            os.close(descriptor)
        if same:
            return
        # Another file has its name than the one that was allowed: it was replaced, or a link leads elsewhere.
        if not client.look_again():
            client.deny(_NO_FILE, f"{decision.filename} changes faster than it can be looked at")

    def _send(
        self, client: "Answering", route: Route, decision: Static, descriptor: int, found: os.stat_result
    ) -> bool:
        """Answer with an open file, or with what a condition makes of it; return whether the client has the file."""
        facts = route.facts
        assert facts is not None
        size = found.st_size
        settings = decision.common.context.settings
        validators = file_validators(
            size=size,
            modified=found.st_mtime_ns,
            inode=found.st_ino,
            now=time.time(),
            parts=settings.file_etag if settings.file_etag is not None else frozenset(),
        )
        status = 200 if route.document_of else evaluate(facts.method, facts.headers, validators)
        headers = _headers(decision, validators)
        if status == 304:
            client.respond(compose_head(304, [field for field in headers if field[0] != "Content-Type"], None), b"")
            return False
        if status != 200:
            client.deny(status, "a condition of the request does not hold")
            return False
        ranges = None if route.document_of else _ranges(facts, validators, size)
        if ranges == []:
            client.deny(416, f"the file has {size} bytes", ("Content-Range", f"bytes */{size}"))
            return False
        if ranges is not None:
            self._send_ranges(client, headers, descriptor, size, ranges)
            return True
        head = compose_head(route.document_of or 200, headers, size)
        if facts.method == "HEAD" or not size:
            client.respond(head, b"")
        elif size <= _SMALL and is_cached(descriptor, 0, size) and (body := _read(descriptor, size)) is not None:
            if route.is_shared and len(body) == size:
                self._remember(decision, head, body)
            # It may have become shorter meanwhile: then the connection ends before the length that has been said.
            client.respond(head, body)
        else:
            client.respond_file(head, descriptor, [ByteRange(0, size)])
            return True
        return False

    def _remember(self, decision: Static, head: ResponseHead, body: bytes) -> None:
        """Keep a small file for as long as the decision is believed: a second."""
        before = self._small.pop(decision.filename, None)
        if before is not None:
            self._small_bytes -= len(before.body) + _ENTRY
        if self._small_bytes + len(body) > _REMEMBERED_BYTES:
            self._small.clear()
            self._small_bytes = 0
        self._small[decision.filename] = _Small(decision, head, body)
        self._small_bytes += len(body) + _ENTRY

    @staticmethod
    def _send_ranges(
        client: "Answering", headers: list[tuple[str, str]], descriptor: int, size: int, ranges: list[ByteRange]
    ) -> None:
        if len(ranges) == 1:
            (only,) = ranges
            head = compose_head(206, [*headers, ("Content-Range", only.content_range(size))], only.length)
            client.respond_file(head, descriptor, [only])
            return
        boundary = f"{random.getrandbits(64):016x}"
        media_type = next((value for name, value in headers if name == "Content-Type"), None)
        heads, end, length = multipart_heads(ranges, size, boundary, media_type)
        kept = [field for field in headers if field[0] != "Content-Type"]
        head = compose_head(206, [*kept, ("Content-Type", f"multipart/byteranges; boundary={boundary}")], length)
        parts: list[bytes | ByteRange] = []
        for before, one in zip(heads, ranges, strict=True):
            parts += (before, one)
        client.respond_file(head, descriptor, [*parts, end])

    def list(self, client: "Answering", decision: Listing, shows: Callable[[str], bool]) -> None:
        """Answer with a page that lists a directory; a thread looks at its files.

        Args:
            client: who gets it.
            decision: what is listed.
            shows: whether the client may know of a name; asked in the thread.
        """

        def look() -> tuple[int, bytes]:
            try:
                return 200, _page(decision, shows)
            except OSError as error:
                return _status(error), (error.strerror or "").encode()

        def done(future: "asyncio.Future[tuple[int, bytes]]") -> None:
            status, page = future.result()
            if status == 200:
                client.resume(
                    lambda: client.respond(
                        compose_head(200, [("Content-Type", "text/html; charset=utf-8")], len(page)), page
                    )
                )
            else:
                client.resume(lambda: client.deny(status, f"{decision.directory}: {page.decode()}"))

        client.wait()
        self._loop.run_in_executor(self._disk, look).add_done_callback(done)


def _is_too_long(head: RequestHead, route: Route) -> bool:
    """Whether the body is longer than it may be, which nobody reads; what comes in chunks is too long for nobody."""
    return 0 < route.limit_request_body < (head.content_length or 0)


def _status(error: OSError) -> int:
    """Return what a client gets for a file that cannot be opened."""
    return _NO_ROOM if error.errno in _PASSING else _NO_ACCESS


def _read(descriptor: int, size: int) -> bytes | None:
    """Return the content of a small file; None where the disk fails, which sendfile is to report."""
    try:
        return os.pread(descriptor, size, 0)
    except OSError:
        return None


def _headers(decision: Static, validators: Validators) -> list[tuple[str, str]]:
    headers = [("Last-Modified", validators.last_modified)]
    if validators.etag is not None:
        headers.append(("ETag", validators.etag))
    headers.append(("Accept-Ranges", "bytes"))
    if decision.location is not None:
        headers.append(("Content-Location", escape_path(decision.location)))
    if decision.vary:
        headers.append(("Vary", decision.vary))
    if decision.media_type is not None:
        charset = f"; charset={decision.charset}" if decision.charset is not None else ""
        headers.append(("Content-Type", decision.media_type + charset))
    if decision.encoding is not None:
        headers.append(("Content-Encoding", decision.encoding))
    if decision.languages:
        headers.append(("Content-Language", ", ".join(decision.languages)))
    return headers


def _ranges(facts: Facts, validators: Validators, size: int) -> "list[ByteRange] | None":
    asked = facts.headers.get("range")
    if asked is None or facts.method != "GET" or not range_applies(facts.headers, validators):
        return None
    return read_ranges(asked, size)


def _page(decision: Listing, shows: Callable[[str], bool]) -> bytes:
    """Return a page that lists a directory, as `mod_autoindex` does: by name, without dot files and what is denied."""
    title = escape(f"Index of {decision.uri}")
    rows = []
    if decision.uri != "/":
        rows.append('<li><a href="../">Parent Directory</a></li>')
    # As bytes: the names are UTF-8 whatever the locale is.
    with os.scandir(as_bytes(decision.directory)) as entries:
        named = [(as_text(entry.name), entry.is_dir()) for entry in entries if not entry.name.startswith(b".")]
    found = sorted(entry for entry in named if shows(entry[0]))
    for name, is_directory in found:
        shown = name + "/" if is_directory else name
        # "./" in front, for a name may have a colon in it.
        rows.append(f'<li><a href="./{escape(escape_path(shown))}">{escape(shown)}</a></li>')
    listed = "\n".join(rows)
    page = (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1>\n<ul>\n{listed}\n</ul>\n</body></html>\n"
    )
    return page.encode("utf-8", "surrogateescape")
