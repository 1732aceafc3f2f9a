"""The record of a death."""

from pydaemonwsgi.metrics.scoreboard import Row
from pydaemonwsgi.supervisor.crash_report import Death, LastWords, Obituary, describe_death


def obituary(lost: str | None) -> Obituary:
    """Return a record whose process was running one request by the scoreboard."""
    return Obituary("error", "process 1 was killed", ["a fact"], [Row(2, 77, 100.0)], lost, 0.0, 103.5)


def test_record_has_what_the_front_says() -> None:
    """The front's words are preferred to the scoreboard's numbers."""
    assert obituary("request 1: GET /").text().splitlines() == [
        "process 1 was killed",
        "  a fact",
        "  it was running:",
        "    request 1: GET /",
    ]


def test_record_without_the_front_has_what_the_scoreboard_says() -> None:
    """Front and daemon process may die together."""
    assert obituary(None).text().splitlines()[-1] == "  thread 3 was running a request for 3.500 s"


def test_record_of_an_idle_process_says_nothing_of_requests() -> None:
    """The front has been asked, and knows of none."""
    assert obituary("").text().splitlines() == ["process 1 was killed", "  a fact"]


def test_what_another_process_says_cannot_begin_a_record() -> None:
    """A front that a client has taken over may send any text."""
    forged = "x\n[2026-11-23] [crit] [pid 1] [supervisor] all is lost\rx\x0by"
    assert all(line.startswith("    ") for line in obituary(forged).text().split("\n")[3:])


def test_memory_is_told_as_far_as_it_is_known() -> None:
    """A process may die before it has been looked at."""
    death = Death(1.25, 0.5, 30_000_000, None, 0.0, killed=False, out_of_memory=None)
    assert describe_death(death) == ["it lived 1.2 s and used 0.50 s of CPU time; memory 30.0 MB at most"]


def test_kill_for_lack_of_memory_is_told_apart_from_others() -> None:
    """Both are SIGKILL."""
    for reason, line in (
        ("the kernel's log names it", "the kernel killed it for lack of memory: the kernel's log names it"),
        (None, "nothing says that the kernel did that for lack of memory"),
    ):
        death = Death(1.0, 0.5, 1, 2, 3.0, killed=True, out_of_memory=reason)
        assert describe_death(death)[-1] == line


def test_last_words_name_the_application_groups_that_were_running() -> None:
    """Complete when something has been said of each, be it that nothing was running."""
    words = LastWords({3: "%{GLOBAL}", 4: "a", 5: "b"})
    words.told[5] = "request 1: GET /b\nrequest 2: GET /b"
    words.told[3] = ""
    assert not words.is_complete
    words.told[4] = "request 3: GET /a"
    assert words.is_complete
    assert words.text() == (
        "in the application group a:\n  request 3: GET /a\n"
        "in the application group b:\n  request 1: GET /b\n  request 2: GET /b"
    )
