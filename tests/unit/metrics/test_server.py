"""server: what the supervisor and the front know becomes what httpd's scoreboard would say."""

from typing import Any

from pydaemonwsgi.metrics.server import server_metrics


def told(*interpreters: dict[str, Any], **process: Any) -> dict[str, Any]:
    """What the supervisor tells of one process."""
    known = {"number": 3, "pid": 30, "generation": 1, "starting": False, "quiescing": False, "process_group": "shop"}
    return {"generation": 2, "started": 100.0, "processes": [{**known, "interpreters": list(interpreters), **process}]}


def interpreter(number: int, *threads: tuple[int, float, int, float], name: str = "") -> dict[str, Any]:
    return {"number": number, "application_group": name, "threads": [list(thread) for thread in threads]}


def request(**known: Any) -> dict[str, Any]:
    """What the front tells of a request."""
    row = {"client": "192.0.2.7:4711", "method": "GET", "url": "/a?b", "protocol": "HTTP/1.1"}
    return row | {"host": "www.site.test:80", "process": 3, "stream": 9} | known


def workers(told: dict[str, Any], *requests: dict[str, Any]) -> list[dict[str, Any]]:
    [process] = server_metrics(told, requests, 130.5)["processes"]
    found: list[dict[str, Any]] = process["workers"]
    return found


def test_the_server_tells_of_itself() -> None:
    """Times, the generation that is started now, and the bounds of what follows."""
    figures = server_metrics(told(interpreter(3, (0, 0.0, 0, 0.0), (0, 0.0, 0, 0.0))), (), 130.5)
    [process] = figures.pop("processes")
    assert figures == {
        "server_limit": 1,
        "thread_limit": 2,
        "running_generation": 2,
        "restart_time": 100.0,
        "current_time": 130.5,
        "running_time": 30.5,
    }
    assert process.pop("workers")
    assert process == {"process_num": 3, "pid": 30, "generation": 1, "quiescing": False, "process_group": "shop"}


def test_a_server_without_processes_is_told_too() -> None:
    """As while a crash loop waits."""
    figures = server_metrics({"generation": 0, "started": 1.0, "processes": []}, (), 2.0)
    assert (figures["processes"], figures["server_limit"], figures["thread_limit"]) == ([], 0, 0)


def test_a_busy_worker_has_the_request_that_it_runs() -> None:
    """By its stream: another request of the same process is another worker's, or waits for one."""
    found = workers(told(interpreter(3, (9, 120.0, 4, 119.0))), request(stream=8, url="/other"), request())
    assert found == [
        {
            "thread_num": 0,
            "generation": 1,
            "status": "W",
            "access_count": 4,
            "bytes_served": 0,
            "start_time": 120.0,
            "stop_time": 0.0,
            "last_used": 120.0,
            "client": "192.0.2.7",
            "request": "GET /a?b HTTP/1.1",
            "vhost": "www.site.test:80",
            "application_group": "",
        }
    ]


def test_an_idle_worker_has_the_times_of_its_last_request() -> None:
    """And no request, even if one of an idle stream's number waits somewhere."""
    [worker] = workers(told(interpreter(3, (0, 120.0, 5, 121.5))), request(stream=0))
    assert (worker["status"], worker["request"], worker["client"]) == ("_", "", "")
    assert (worker["start_time"], worker["stop_time"], worker["last_used"]) == (120.0, 121.5, 121.5)


def test_idle_workers_of_processes_that_come_and_go() -> None:
    """S while the process starts, G when it takes no more requests; who runs a request is W in any case."""
    threads = ((0, 0.0, 0, 0.0), (7, 1.0, 0, 0.0))
    starting = workers(told(interpreter(3, *threads), starting=True))
    leaving = workers(told(interpreter(3, *threads), quiescing=True))
    assert [worker["status"] for worker in starting + leaving] == ["S", "W", "G", "W"]


def test_interpreters_of_a_process_share_its_numbers() -> None:
    """Workers are counted through; requests are found by the interpreter's own number."""
    two = told(interpreter(3, (9, 1.0, 0, 0.0)), interpreter(4, (9, 2.0, 0, 0.0), name="sp\udcc3\udca4\u00df"))
    first, second = workers(two, request(process=4, url="/second"), request())
    assert [first["request"], second["request"]] == ["GET /a?b HTTP/1.1", "GET /second HTTP/1.1"]
    assert [first["thread_num"], second["thread_num"]] == [0, 1]
    # As in the environ: bytes, each as a character.
    assert [first["application_group"], second["application_group"]] == ["", "sp\u00c3\u00a4\u00c3\u009f"]


def test_clients_have_addresses_only_where_they_have_some() -> None:
    """IPv6 without its brackets; a Unix socket has none, and nobody is there who has gone."""
    peers = {"[2001:db8::1]:80": "2001:db8::1", "unix": "", "": "", None: ""}
    for peer, address in peers.items():
        [worker] = workers(told(interpreter(3, (9, 1.0, 0, 0.0))), request(client=peer))
        assert worker["client"] == address


def test_requests_that_no_process_has_are_left_out() -> None:
    """They wait in the front, and no thread is theirs."""
    [worker] = workers(told(interpreter(3, (9, 1.0, 0, 0.0))), request(process=None, stream=9))
    assert worker["request"] == ""
