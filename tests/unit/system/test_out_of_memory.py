"""Whether the kernel has killed for lack of memory, from files as the kernel writes them."""

import os
from pathlib import Path

import pytest

from pydaemonwsgi.system.out_of_memory import OutOfMemoryWatch, counter_path, read_counter

EVENTS = "low 0\nhigh 0\nmax 41\noom 3\noom_kill 2\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"


@pytest.mark.parametrize(
    ("membership", "place"),
    [
        ("0::/system.slice/app.service\n", "system.slice/app.service/memory.events"),
        ("4:memory:/app\n0::/\n", "memory/app/memory.oom_control"),
        ("5:cpu,memory:/app\n", "memory/app/memory.oom_control"),
        ("4:memory:/hidden/by/a/namespace\n", "memory/memory.oom_control"),
        ("9:cpu:/x\n0::/app\n", "unified/app/memory.events"),
    ],
)
def test_counter_is_found_in_either_generation(tmp_path: Path, membership: str, place: str) -> None:
    """Where the process's group is, by what /proc says."""
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(EVENTS)
    assert counter_path(membership, tmp_path) == path


def test_no_memory_control_group_is_no_counter(tmp_path: Path) -> None:
    """Then nothing is known."""
    assert counter_path("3:cpu:/\n", tmp_path) is None


@pytest.mark.parametrize(("content", "number"), [(EVENTS, 2), (CONTROL, 7), ("oom_kill_disable 0\n", None), ("", None)])
def test_counter_is_read(tmp_path: Path, content: str, number: int | None) -> None:
    """`oom_kill`, and nothing that looks like it."""
    path = tmp_path / "file"
    path.write_text(content)
    assert read_counter(path) == number


def test_counter_that_rose_explains_one_death(tmp_path: Path) -> None:
    """The next death is another's doing, unless it rises again."""
    path = tmp_path / "memory.events"
    path.write_text("oom_kill 2\n")
    watch = OutOfMemoryWatch(path, "/nonexistent")
    assert watch.explain(41) is None
    path.write_text("oom_kill 3\n")
    assert watch.explain(41) == f"oom_kill in {path} went from 2 to 3"
    assert watch.explain(42) is None


def test_kernel_log_names_the_pid(tmp_path: Path) -> None:
    """Only of what it has said since the watch began, and only that pid."""
    log = tmp_path / "kmsg"
    log.write_text("6,1,1,-;Out of memory: Killed process 40 (python)\n")
    watch = OutOfMemoryWatch(None, str(log))
    with log.open("a") as file:
        file.write("3,2,2,-;Memory cgroup out of memory: Killed process 41 (python3) total-vm:1kB\n")
    assert watch.explain(41) == "the kernel's log names it"
    assert watch.explain(40) is None


def test_processes_that_were_killed_together_are_all_explained(tmp_path: Path) -> None:
    """By the counter and by the log, in whichever order they are asked for."""
    path, log = tmp_path / "memory.events", tmp_path / "kmsg"
    path.write_text("oom_kill 2\n")
    log.write_text("")
    counted, told = OutOfMemoryWatch(path, "/nonexistent"), OutOfMemoryWatch(None, str(log))
    path.write_text("oom_kill 4\n")
    log.write_text("".join(f"3,2,2,-;Out of memory: Killed process {pid} (python3)\n" for pid in (41, 42)))
    assert [counted.explain(pid) is not None for pid in (42, 41, 40)] == [True, True, False]
    assert [told.explain(pid) is not None for pid in (42, 41, 40)] == [True, True, False]


def test_a_kill_that_was_somebody_elses_explains_nothing_later(tmp_path: Path) -> None:
    """The counter counts processes that the application started, too."""
    now = [0.0]
    path = tmp_path / "memory.events"
    path.write_text("oom_kill 2\n")
    watch = OutOfMemoryWatch(path, "/nonexistent", clock=lambda: now[0])
    path.write_text("oom_kill 4\n")
    assert watch.explain(41) is not None
    now[0] = 60.0
    assert watch.explain(42) is None


def test_watch_leaves_its_descriptor_to_nobody() -> None:
    """The log is for the supervisor only."""
    watch = OutOfMemoryWatch(None, "/dev/null")
    assert watch._log >= 0
    assert not os.get_inheritable(watch._log)
