"""What a daemon process is given to use: each option is seen by the application, and its limit is felt."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command import run
from tests.helpers.server import APPS, Server, serving, wait_for

SCRIPT = APPS / "limits.wsgi"
MIB = 1 << 20


def facts(server: Server) -> dict[str, Any]:
    """Return what the application says of its process."""
    answer = server.get()
    assert answer.status == 200, answer.text
    result: dict[str, Any] = json.loads(answer.text)
    return result


def facts_with(*options: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what the application says of its process under a server with these options."""
    with serving(SCRIPT, *options, env=env) as server:
        return facts(server)


# -- resources


def test_cpu_priority_is_the_nice_value() -> None:
    """--cpu-priority 7: the daemon process yields to others, the supervisor does not."""
    with serving(SCRIPT, "--cpu-priority", "7") as server:
        assert facts(server)["nice"] == 7
        assert os.getpriority(os.PRIO_PROCESS, server.front().pid) == os.getpriority(os.PRIO_PROCESS, 0)


def test_limits_are_those_of_the_kernel() -> None:
    """CPU time, private memory and addresses: soft and hard limits as mod_wsgi sets them."""
    options = ("--cpu-time-limit", "2m", "--memory-limit", "512M", "--virtual-memory-limit", "4G")
    seen = facts_with(*options, "--shutdown-timeout", "7s", "--threads", "3")
    assert seen["cpu"] == [120, 128]
    assert seen["data"] == [512 * MIB, 512 * MIB]
    assert seen["addresses"] == [4096 * MIB, 4096 * MIB]


def test_cpu_time_beyond_the_limit_replaces_the_process() -> None:
    """The request that uses it up is answered, and then the next process serves."""
    with serving(SCRIPT, "--cpu-time-limit", "1s", "--threads", "2") as server:
        pid = facts(server)["pid"]
        assert server.get("/burn/1.1").text == str(pid)
        wait_for(lambda: facts(server)["pid"] != pid, "the successor")
        assert "is to be replaced: cpu_time_limit" in server.log()


def test_a_loop_without_end_is_killed_by_the_kernel() -> None:
    """The hard limit is for who cannot be asked: that request gets 502, and a new process serves the next."""
    options = ("--cpu-time-limit", "1s", "--shutdown-timeout", "0", "--graceful-timeout", "0")
    with serving(SCRIPT, *options, "--threads", "2") as server:
        pid = facts(server)["pid"]
        assert server.get("/burn/3600").status == 502
        assert facts(server)["pid"] != pid
        said = "the kernel killed it for its CPU time: it may use 2 s (cpu-time-limit"
        wait_for(lambda: said in server.log(), "the record of its death")


def test_memory_beyond_the_limit_is_an_exception_of_one_request() -> None:
    """A request that wants too much gets 500; the process lives and serves the next."""
    with serving(SCRIPT, "--memory-limit", "128M", "--threads", "2") as server:
        pid = facts(server)["pid"]
        assert server.get(f"/allocate/{64 * MIB}").status == 200
        assert server.get(f"/allocate/{256 * MIB}").status == 500
        assert "MemoryError" in server.log()
        assert facts(server)["pid"] == pid


def test_a_process_without_any_memory_left_gives_its_place_to_another() -> None:
    """An application that eats up all there is takes its process with it; no request is left without an answer."""
    with serving(SCRIPT, "--memory-limit", "64M", "--threads", "2") as server:
        pid = facts(server)["pid"]
        seen = set()
        while server.get(f"/keep/{4 * MIB}").status == 200:
            pass  # soon there is room for little things only

        def another_serves() -> bool:
            seen.add(server.get("/keep/60000").status)
            return bool({process.pid for process in server.daemons()} - {pid})

        wait_for(another_serves, "another process")
        assert seen <= {200, 500, 502}
        wait_for(lambda: server.get().status == 200, "an answer of the new process")
        assert "out of memory: not even what receives requests gets any" in server.log()
        wait_for(lambda: "exited with status 71" in server.log(), "the record of its end")


def test_addresses_beyond_the_limit_are_an_exception_of_one_request() -> None:
    """The same for --virtual-memory-limit."""
    with serving(SCRIPT, "--virtual-memory-limit", "1G", "--threads", "1") as server:
        pid = facts(server)["pid"]
        assert server.get(f"/allocate/{1024 * MIB}").status == 500
        assert facts(server)["pid"] == pid


def test_stack_size_is_that_of_worker_threads() -> None:
    """--stack-size 1M: each worker has such a stack, and not the platform's."""
    assert facts_with("--stack-size", "1M", "--threads", "2")["stack"] == MIB


def test_switch_interval_is_the_interpreters() -> None:
    """--switch-interval 20ms is what sys.getswitchinterval() says."""
    assert facts_with("--switch-interval", "20ms")["switch"] == pytest.approx(0.02)


def test_a_process_that_has_grown_too_large_is_replaced_without_loss() -> None:
    """--maximum-memory: the successor comes first, and no request fails while one process after the other leaves."""
    with serving(SCRIPT, "--maximum-memory", "128M", "--threads", "2") as server:
        pids = set()

        def two_have_gone() -> bool:
            answer = server.get(f"/keep/{8 * MIB}")
            assert answer.status == 200
            pids.add(answer.text)
            return len(pids) > 2

        wait_for(two_have_gone, "two replacements")
        assert "resident, more than maximum-memory (128M)" in server.log()
        assert "is to be replaced: maximum_memory" in server.log()


def test_a_process_that_is_too_large_from_the_start_serves() -> None:
    """A limit that the application cannot keep is a warning, not a server that does nothing but start processes."""
    with serving(SCRIPT, "--maximum-memory", "16M") as server:
        pid = facts(server)["pid"]
        wait_for(lambda: "the limit is too low for this application" in server.log(), "the warning")
        assert facts(server)["pid"] == pid


# -- environment


def test_lang_and_locale_are_in_the_environment_and_in_effect() -> None:
    """--lang is LANG; --locale is LC_ALL and the locale of the process."""
    seen = facts_with("--lang", "de_DE.UTF-8", "--locale", "C.utf8", env={"LANG": "C", "LC_ALL": "POSIX"})
    assert (seen["environ"]["LANG"], seen["environ"]["LC_ALL"]) == ("de_DE.UTF-8", "C.utf8")
    assert seen["locale"] == "C.utf8"


def test_a_locale_that_is_not_there_is_warned_of() -> None:
    """As under mod_wsgi the application runs all the same."""
    with serving(SCRIPT, "--locale", "xx_XX.UTF-8") as server:
        assert facts(server)["environ"]["LC_ALL"] == "xx_XX.UTF-8"
        assert "this machine has no locale xx_XX.UTF-8" in server.log()


def test_python_eggs_is_the_cache_directory() -> None:
    """--python-eggs is PYTHON_EGG_CACHE."""
    assert facts_with("--python-eggs", "/var/eggs")["environ"]["PYTHON_EGG_CACHE"] == "/var/eggs"


def test_home_is_where_the_process_runs(tmp_path: Path) -> None:
    """--home is the working directory and comes first in sys.path."""
    seen = facts_with("--home", str(tmp_path))
    assert seen["cwd"] == str(tmp_path)
    assert seen["path"][0] == str(tmp_path)


def test_home_of_the_user_is_in_the_environment() -> None:
    """HOME is always there; USER and its like only if they were."""
    seen = facts_with(env={"USER": "somebody"})["environ"]
    if os.geteuid() != 0:
        assert seen["HOME"] == os.path.expanduser("~")
    assert seen["USERNAME"] is None


@pytest.mark.parametrize(
    ("title", "shown"), [("%{GROUP}", "(wsgi:limits)"), ("shop: worker", "shop: worker"), ("x" * 300, "x" * 300)]
)
def test_display_name_is_what_ps_shows(title: str, shown: str) -> None:
    """--display-name is the whole title; %{GROUP} is the group's name as mod_wsgi writes it."""
    with serving(SCRIPT, "--display-name", title) as server:
        pid = facts(server)["pid"]
        assert Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode() == shown


# -- what the machine refuses


def test_a_home_that_is_missing_is_refused() -> None:
    """Before anything starts, with status 2."""
    result = run("serve", str(SCRIPT), "--port", "0", "--home", "/does/not/exist")
    assert result.returncode == 2
    assert result.stderr == "pydaemonwsgi: --home: /does/not/exist is not a directory\n"


def test_threads_that_do_not_fit_are_refused() -> None:
    """Stacks that do not fit into the addresses: one line that names all three options, and status 1."""
    options = ("--stack-size", "512M", "--virtual-memory-limit", "2G", "--threads", "20")
    result = run("serve", str(SCRIPT), "--port", "0", *options)
    assert result.returncode == 1
    assert "cannot start 20 worker threads with stacks of 536870912 bytes (stack-size)" in result.stderr
    assert "exited with status 82" in result.stderr
