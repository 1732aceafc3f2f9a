"""pages: what people see of a server."""

from typing import Any

from pydaemonwsgi.console.pages import dump_page, ps_page, status_page


def process(**changes: Any) -> dict[str, Any]:
    return {
        "number": 1,
        "pid": 101,
        "state": "RUNNING",
        "since": 60.0,
        "age": 61.0,
        "why": "",
        "failed": False,
        "requests": 12345,
        "busy": 2,
        "threads": 5,
        "rss": 40_000_000,
        "cpu_seconds": 6.1,
        **changes,
    }


def group(**changes: Any) -> dict[str, Any]:
    return {
        "name": "shop",
        "state": "RUNNING",
        "size": 1,
        "running": 1,
        "threads": 5,
        "busy": 2,
        "requests": 12345,
        "failures": 0,
        "next_try": None,
        "fatal": "",
        "last_failure": None,
        "replacement": None,
        "processes": [process()],
        **changes,
    }


def status(*groups: dict[str, Any], report: dict[str, Any] | None = None) -> dict[str, Any]:
    front = {"pid": 100, "state": "RUNNING", "since": 60.0, "rss": 30_000_000, "cpu_seconds": 1.0}
    if report is not None:
        front["report"] = report
    return {
        "version": "1.2",
        "pid": 99,
        "state": "RUNNING",
        "age": 61.0,
        "addresses": ["127.0.0.1:8000"],
        "healthy": True,
        "front": front,
        "groups": list(groups),
    }


REPORT: dict[str, Any] = {
    "clients": 7,
    "idle": 4,
    "receiving": 1,
    "answering": 2,
    "closing": 0,
    "groups": {"shop": {"queued": 3, "in_flight": 2, "refused": False}},
}


def test_status_page_of_a_healthy_server() -> None:
    """Everything that is asked for first stands in its place."""
    assert status_page(status(group(), report=REPORT), "/run/x.sock") == (
        "pydaemonwsgi 1.2, pid 99, RUNNING for 1 min 1 s\n"
        "  listening on  127.0.0.1:8000\n"
        "  control       /run/x.sock\n"
        "  front         pid 100, RUNNING, 7 clients: 2 answered, 1 sending, 28.6 MiB\n"
        "\n"
        "GROUP  STATE    RUNNING    BUSY  QUEUED  REQUESTS  NOTE\n"
        "shop   RUNNING   1 of 1  2 of 5       3    12,345\n"
        "\n"
        "GROUP  PID  STATE    SINCE        AGE  REQUESTS    BUSY       RSS   CPU  WHY\n"
        "shop   101  RUNNING  1 min  1 min 1 s    12,345  2 of 5  38.1 MiB  10 %\n"
    )


def test_status_page_shows_interpreters_of_processes() -> None:
    """What waits for any of them waits for the group's processes."""
    one = {"application_group": "a|/b", "pid": 101, "loaded": True, "requests": 1234, "busy": 1, "threads": 5}
    queues = {"shop|a|/b": {"queued": 4, "in_flight": 1, "refused": False}}
    shown = group(interpreters=[one, {**one, "application_group": "c", "loaded": False, "busy": 0}])
    page = status_page(status(shown, report={**REPORT, "groups": {**REPORT["groups"], **queues}}), "x")
    assert "shop   RUNNING   1 of 1  2 of 5       7    12,345" in page
    assert page.endswith(
        "GROUP  PID  APPLICATION GROUP  STATE    REQUESTS    BUSY\n"
        "shop   101  a|/b               LOADED      1,234  1 of 5\n"
        "shop   101  c                  LOADING     1,234  0 of 5\n"
    )


def test_status_page_tells_when_a_start_is_tried_again() -> None:
    """BACKOFF with the time, the number of failures, the last of them, and that requests are refused."""
    failing = group(
        state="BACKOFF",
        running=0,
        busy=0,
        failures=4,
        next_try=3.2,
        last_failure={"ago": 1.5, "text": "process 7 exited with status 3\nsecond line"},
        processes=[],
    )
    report = {**REPORT, "groups": {"shop": {"queued": 0, "in_flight": 0, "refused": True}}}
    page = status_page(status(failing, report=report), "x")
    note = "next try in 3.2 s after 4 failures; requests get 503"
    assert f"shop   BACKOFF   0 of 1  0 of 0       0    12,345  {note}" in page
    assert page.endswith("\nlast failure of shop, 1.5 s ago: process 7 exited with status 3\n  second line\n")


def test_status_page_tells_the_way_out_of_fatal() -> None:
    """Who reads FATAL knows what to do."""
    page = status_page(status(group(state="FATAL", fatal="exited with status 78", next_try=None)), "x")
    assert "given up: mend the cause, then pydaemonwsgi reload" in page


def test_status_page_without_the_fronts_report() -> None:
    """A front that is stuck leaves the rest readable."""
    page = status_page(status(group()), "x")
    assert "front         pid 100, RUNNING, does not answer" in page
    assert "shop   RUNNING   1 of 1  2 of 5       -    12,345" in page


def test_status_page_shows_only_the_end_of_a_traceback() -> None:
    """The last lines say what is wrong; control characters do nothing."""
    text = "the script does not load: Traceback\n" + "".join(f"  line {n}\n" for n in range(20)) + "Error: \x1b[2J\n"
    page = status_page(status(group(last_failure={"ago": 1.0, "text": text})), "x")
    shown = "Traceback\n    line 18\n    line 19\n  Error: \\x1b[2J\n"
    assert page.endswith(f"1.0 s ago: the script does not load: {shown}")


def test_status_page_tells_a_reload_that_is_underway_or_has_failed() -> None:
    """What was asked for last, unless it is done."""
    for progress, words in (("underway", "reload underway"), ("failed", "the last reload failed"), ("done", None)):
        replacement = {"generation": 1, "progress": progress, "error": ""}
        page = status_page(status(group(replacement=replacement)), "x")
        assert ("reload" in page) is (words is not None)
        assert words is None or words in page


def test_ps_page_has_a_line_for_each_request() -> None:
    """Those that have no process, thread or client have a dash, or say that the client has gone."""
    running = {
        "id": "00000000000000aa",
        "group": "shop",
        "age": 12.34,
        "phase": "running",
        "pid": 101,
        "thread": 2,
        "running": 12.3,
        "client": "127.0.0.1:5000",
        "method": "GET",
        "url": "/report\x1b[2J",
    }
    queued = {**running, "phase": "queued", "pid": None, "thread": None, "client": None, "age": 0.1, "url": "/"}
    assert ps_page({"requests": [running, queued], "left_out": 3}) == (
        "ID                GROUP    AGE  PHASE    PID  THREAD  CLIENT          REQUEST\n"
        "00000000000000aa  shop    12 s  running  101       2  127.0.0.1:5000  GET /report\\x1b[2J\n"
        "00000000000000aa  shop   0.1 s  queued     -       -  gone            GET /\n"
        "and 3 younger ones\n"
    )


def test_dump_page_names_each_process() -> None:
    """Stacks of several processes cannot be mixed up."""
    page = dump_page(
        {
            "processes": [
                {"group": "shop", "pid": 1, "stacks": "thread a\n  File x\n"},
                {"group": "blog", "pid": 2, "stacks": "thread b\n", "application_group": "b|/c"},
            ]
        }
    )
    assert page == (
        "daemon process 1 of process group shop\n\nthread a\n  File x\n\n"
        "daemon process 2 of process group blog, application group b|/c\n\nthread b\n"
    )
