"""sample: what the requests between two moments come to."""

from typing import Any

import pytest

from pydaemonwsgi.metrics.sample import Machine, Running, Sample

START = 1_000.0


def finished(thread: int, begin: float, end: float, *, status: int = 200, **more: Any) -> dict[str, Any]:
    """What the event says of a request that waited 10 ms in the front and 20 ms in the queue."""
    return {
        "thread_id": thread,
        "request_start": begin - 0.030,
        "queue_start": begin - 0.020,
        "daemon_start": begin,
        "application_finish": end,
        "application_time": end - begin,
        "input_time": 0.001,
        "input_length": 100,
        "input_reads": 2,
        "output_time": 0.002,
        "output_length": 1000,
        "output_writes": 1,
        "cpu_time": 0.25,
        "gil_wait_time": 0.0,
        "gil_wait_count": 0,
        "status": status,
        **more,
    }


def sample(threads: int = 2) -> Sample:
    """A sample that begins with a process that has used a second of each kind of time."""
    return Sample(threads, START, Machine(1.0, 1.0, 0, 0))


def end(one: Sample, at: float, running: list[Running] | None = None) -> dict[str, Any]:
    """Its figures; the process has used half a second in its own code meanwhile."""
    return one.end(at, Machine(1.5, 1.0, 4096, 8192), running or [])


def test_requests_are_counted_by_what_they_were_answered_with() -> None:
    """Each class of status has its number; what has no status is an error of the server."""
    one = sample()
    for status in (200, 204, 301, 404, 500, 0):
        one.add(finished(1, START, START + 1, status=status))
    figures = end(one, START + 10)
    assert [figures[f"status_{name}xx"] for name in "12345"] == [0, 2, 1, 1, 2]
    assert (figures["request_count"], figures["request_throughput"]) == (6, pytest.approx(0.6))


def test_each_phase_has_its_time() -> None:
    """Front, queue, daemon process, application and the whole."""
    one = sample()
    one.add(finished(1, START + 1, START + 3))
    figures = end(one, START + 10)
    assert [figures[name] for name in ("server_time", "queue_time", "daemon_time")] == pytest.approx([0.01, 0.02, 0])
    assert [figures[name] for name in ("application_time", "request_time")] == pytest.approx([2.0, 2.03])
    assert figures["input_read_time_max_us"] == 1000
    assert figures["output_write_time_max_us"] == 2000


def test_what_was_read_and_written_is_summed() -> None:
    """Bytes and calls of all requests."""
    one = sample()
    for _ in range(3):
        one.add(finished(1, START, START + 1))
    figures = end(one, START + 10)
    names = ("input_bytes", "input_reads", "output_bytes", "output_writes")
    assert [figures[name] for name in names] == [300, 6, 3000, 3]


def test_each_thread_has_its_own_figures() -> None:
    """Requests, busy seconds, processor seconds, the longest; and what runs at the moment."""
    one = sample()
    one.add(finished(1, START + 1, START + 2))
    one.add(finished(1, START + 3, START + 6))
    figures = end(one, START + 10, [Running(2, 4.0)])
    assert figures["request_threads_completed"] == [2, 0]
    assert figures["request_threads_busy_time"] == pytest.approx([4.0, 4.0])
    assert figures["request_threads_cpu_time"] == [0.5, 0.0]
    assert figures["request_threads_max_duration"] == pytest.approx([3.0, 0.0])
    assert figures["request_threads_current_elapsed"] == [0.0, 4.0]
    assert figures["request_threads_active"] == 1
    assert figures["capacity_utilization"] == pytest.approx(8.0 / 20.0)


def test_only_the_time_within_the_sample_is_busy() -> None:
    """A request that began before, or goes on after, counts for what it had of the sample; its duration is whole."""
    one = sample()
    one.add(finished(1, START - 5, START + 1))
    figures = end(one, START + 2, [Running(2, 100.0)])
    assert figures["request_threads_busy_time"] == pytest.approx([1.0, 2.0])
    assert figures["request_threads_max_duration"] == pytest.approx([6.0, 0.0])
    assert figures["capacity_utilization"] == pytest.approx(0.75)


def test_the_processor_is_that_of_the_sample() -> None:
    """What the process had used before does not count."""
    figures = end(sample(), START + 10)
    assert figures["cpu_user_utilization"] == figures["cpu_user_time"] == pytest.approx(0.05)
    assert figures["cpu_system_utilization"] == 0
    assert figures["cpu_utilization"] == pytest.approx(0.05)
    assert (figures["memory_rss"], figures["memory_max_rss"]) == (4096, 8192)


def test_many_requests_come_to_the_same_as_few() -> None:
    """They are counted some at a time; none is missed at the end, and none counted twice."""
    one = sample()
    for number in range(1000):
        one.add(finished(1 + number % 2, START + number, START + number + 0.5, status=200 if number % 4 else 404))
    figures = end(one, START + 1000)
    assert (figures["request_count"], figures["status_2xx"], figures["status_4xx"]) == (1000, 750, 250)
    assert figures["request_threads_completed"] == [500, 500]
    assert figures["request_threads_busy_time"] == pytest.approx([250.0, 250.0])
    assert (figures["input_bytes"], figures["output_writes"]) == (100_000, 1000)
    assert figures["application_time"] == pytest.approx(0.5)
    assert sum(figures["queue_time_buckets"]) == 1000
