"""--preload: one process loads the script, all others are forked from it, and none of the promises is weaker for it."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.helpers.command import run
from tests.helpers.environments import make_environment
from tests.helpers.server import Server, serving, wait_for
from tests.integration.test_recycling import Load, ask, gated, pids, version, write

FORKED = """
import json, os, random, threading
LOADER = os.getpid()
NOTES = []
os.register_at_fork(
    before=lambda: NOTES.append(f"before {{os.getpid() == LOADER}}"),
    after_in_parent=lambda: NOTES.append("in parent"),
    after_in_child=lambda: NOTES.append(f"in child {{os.getpid() == LOADER}}"),
)
{extra}
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    answer = dict(pid=os.getpid(), parent=os.getppid(), loader=LOADER, notes=NOTES, random=random.random(),
                  threads=[thread.name for thread in threading.enumerate()], name={name!r})
    return [json.dumps(answer).encode()]
"""


def forked(name: str = "one", extra: str = "") -> str:
    return FORKED.format(name=name, extra=extra)


def seen(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.get().text)
    return found


def parents(server: Server) -> list[psutil.Process]:
    return server._children("pydaemonwsgi: preload")


def loader(server: Server) -> int:
    (parent,) = parents(server)
    return parent.pid


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script that says which process has loaded it."""
    return write(tmp_path / "site.wsgi", forked())


def test_processes_are_forked_from_one_that_has_loaded_the_script(script: Path) -> None:
    """It is loaded once; the supervisor is every process's parent; each has a session and randomness of its own."""
    with serving(script, "--preload", "--processes", "3") as server:
        wait_for(lambda: len(server.daemons()) == 3, "all processes")
        answers = {answer["pid"]: answer for answer in (seen(server) for _ in range(100))}
        assert {answer["loader"] for answer in answers.values()} == {loader(server)}
        assert {answer["parent"] for answer in answers.values()} == {server.pid}
        assert answers.keys() <= pids(server)
        assert server.log().count("loaded in") == 1
        assert len({os.getsid(pid) for pid in pids(server)}) == 3
        assert len({answer["random"] for answer in answers.values()}) == len(answers)


def test_functions_given_to_register_at_fork_run_once(script: Path) -> None:
    """`before` and `after_in_child` run once for each process, not in the process that has loaded the script."""
    with serving(script, "--preload") as server:
        assert seen(server)["notes"] == ["before False", "in child False"]


def test_a_killed_process_is_replaced_by_a_fork(script: Path) -> None:
    """Its wait status is known exactly, its successor has loaded nothing, and no zombie is left."""
    with serving(script, "--preload") as server:
        first = seen(server)["pid"]
        os.kill(first, signal.SIGSEGV)
        wait_for(lambda: pids(server) and first not in pids(server), "a successor")
        assert seen(server)["loader"] == loader(server)
        wait_for(lambda: f"(pid {first}) was killed by SIGSEGV" in server.log(), "the record of its death")
        assert server.log().count("loaded in") == 1
        states = [child.status() for child in psutil.Process(server.pid).children(recursive=True)]
        assert psutil.STATUS_ZOMBIE not in states


def test_a_killed_parent_takes_no_request_along(tmp_path: Path) -> None:
    """Requests that run finish, others are answered, the processes stay; another parent forks from then on."""
    script = write(tmp_path / "site.wsgi", version("one"))
    with serving(script, "--preload", "--processes", "2") as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        before, old = pids(server), loader(server)
        with Load(server) as load, gated(server, tmp_path / "gate", 2) as answers:
            os.kill(old, signal.SIGKILL)
            wait_for(lambda: [parent for parent in parents(server) if parent.pid != old], "another parent")
            load.wait_for_more(20)
        assert [answer.status for answer in answers] == [200, 200]
        assert load.failures == []
        assert pids(server) == before
        wait_for(lambda: f"(pid {old}) was killed by SIGKILL" in server.log(), "the record of its death")
        wait_for(lambda: server.log().count("loaded in") == 2, "the new parent")
        os.kill(min(before), signal.SIGKILL)
        wait_for(lambda: len(pids(server) - before) == 1, "a process forked by the new parent")
        assert server.get().status == 200


@pytest.mark.parametrize("both", [False, True])
def test_a_parent_that_is_stopped_does_not_hold_the_others_up(script: Path, both: bool) -> None:
    """A parent under SIGSTOP costs nothing while nobody is to be forked; when somebody is, it is replaced in time."""
    with serving(script, "--preload") as server:
        old, first = loader(server), seen(server)["pid"]
        os.kill(old, signal.SIGSTOP)
        assert seen(server)["pid"] == first
        if not both:
            os.kill(old, signal.SIGKILL)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: f"(pid {first}) was killed by SIGKILL" in server.log(), "the record of its death")
        assert seen(server)["loader"] == loader(server) != old


def test_touch_replaces_parent_and_processes(script: Path) -> None:
    """The first request after a change is answered by new code, and no request under load is lost."""
    with serving(script, "--preload", "--processes", "2") as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        before, old = pids(server), loader(server)
        write(script, forked("two"))
        assert seen(server)["name"] == "two"
        wait_for(lambda: len(pids(server)) == 2 and not pids(server) & before, "new processes")
        wait_for(lambda: len(left := parents(server)) == 1 and left[0].pid != old, "the new parent alone")


def test_reloads_and_recycling_lose_nothing_under_load(tmp_path: Path) -> None:
    """SIGHUP, kill -9 of an idle parent, TERM to processes and maximum-requests, with clients at work."""
    script = write(tmp_path / "site.wsgi", version("one"))
    options = ("--preload", "--processes", "2", "--maximum-requests", "200")
    with serving(script, *options) as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        with Load(server) as load:
            for step in range(6):
                before = pids(server)
                if step % 3 == 0:
                    os.kill(server.pid, signal.SIGHUP)
                elif step % 3 == 1:
                    for parent in parents(server):
                        os.kill(parent.pid, signal.SIGKILL)
                else:
                    os.kill(min(before), signal.SIGTERM)
                load.wait_for_more(100)
        assert load.failures == []
        assert len(load.pids) > 2


def test_a_script_that_does_not_load_leaves_the_old_parent_forking(script: Path) -> None:
    """With a broken script on disk a process that dies is still replaced, by the code that works."""
    with serving(script, "--preload") as server:
        first, old = seen(server)["pid"], loader(server)
        write(script, "1 / 0\n")
        wait_for(lambda: "running processes keep the code they have" in server.log(), "the refusal")
        wait_for(lambda: [parent.pid for parent in parents(server)] == [old], "only the old parent")
        os.kill(first, signal.SIGKILL)
        answer = seen(server)
        assert (answer["name"], answer["loader"]) == ("one", old)
        assert answer["pid"] != first
        write(script, forked("three"))
        assert seen(server)["name"] == "three"


def test_a_script_that_never_loaded_is_answered_with_500_until_it_is_mended(tmp_path: Path) -> None:
    """The error is in the log; a mended script is served."""
    script = write(tmp_path / "site.wsgi", "import nowhere_to_be_found\n")
    with serving(script, "--preload") as server:
        assert server.get().status == 500
        assert "nowhere_to_be_found" in server.log()
        write(script, forked("mended"))
        wait_for(lambda: server.get().status == 200, "the mended script")
        assert seen(server)["name"] == "mended"


def test_a_changed_module_means_a_new_parent(tmp_path: Path) -> None:
    """--reload-on-changes works, and no thread of ours is in the parent when it forks."""
    module = tmp_path / "wanted.py"
    module.write_text("ANSWER = 'one'\n", "utf-8")
    script = write(tmp_path / "site.wsgi", forked(extra="import wanted\nNOTES = wanted.ANSWER\n"))
    options = ("--preload", "--reload-on-changes", "--python-path", str(tmp_path))
    script.write_text(script.read_text("utf-8").replace("NOTES.append", "str"), "utf-8")
    with serving(script, *options) as server:
        assert seen(server)["notes"] == "one"
        assert "has started threads" not in server.log()
        module.write_text("ANSWER = 'another'\n", "utf-8")
        wait_for(lambda: seen(server)["notes"] == "another", "the new module")


def test_threads_that_the_script_starts_are_named(tmp_path: Path) -> None:
    """They are not in the daemon processes; the log says so, by name."""
    extra = "import time\nthreading.Thread(target=time.sleep, args=(1000,), name='poller', daemon=True).start()\n"
    script = write(tmp_path / "site.wsgi", forked(extra=extra))
    with serving(script, "--preload") as server:
        assert "poller" not in seen(server)["threads"]
        assert "the application has started threads while it was loaded: poller." in server.log()


def test_sigterm_to_the_parent_has_a_successor_first(script: Path) -> None:
    """Whoever tells it to go gets another parent, and the processes stay."""
    with serving(script, "--preload") as server:
        first, old = seen(server)["pid"], loader(server)
        os.kill(old, signal.SIGTERM)
        wait_for(lambda: len(left := parents(server)) == 1 and left[0].pid != old, "another parent alone")
        assert seen(server)["pid"] == first
        wait_for(lambda: f"(pid {old}) exited with status 0, as it was asked to" in server.log(), "its record")


def test_scale_forks(script: Path) -> None:
    """One process more or fewer (SIGTTIN, SIGTTOU) is a fork, or none."""
    with serving(script, "--preload") as server:
        seen(server)
        os.kill(server.pid, signal.SIGTTIN)
        wait_for(lambda: len(server.daemons()) == 2, "a second process")
        os.kill(server.pid, signal.SIGTTOU)
        wait_for(lambda: len(server.daemons()) == 1, "one process less")
        assert server.log().count("loaded in") == 1


def test_a_function_that_raises_at_fork_is_told(tmp_path: Path) -> None:
    """As with os.fork() it is ignored, and its traceback is in the log."""
    script = write(tmp_path / "site.wsgi", forked(extra="os.register_at_fork(after_in_child=lambda: 1 / 0)\n"))
    with serving(script, "--preload") as server:
        assert seen(server)["name"] == "one"
        assert "ZeroDivisionError" in server.log()


def test_stop_leaves_nothing(script: Path) -> None:
    """SIGTERM ends parents and processes, and the status is 0."""
    with serving(script, "--preload", "--processes", "2") as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        children = psutil.Process(server.pid).children(recursive=True)
        assert server.stop() == 0
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_killed_supervisor_takes_the_parent_along(script: Path) -> None:
    """The parent ends at once; processes finish what they have and leave."""
    with serving(script, "--preload") as server:
        seen(server)
        children = psutil.Process(server.pid).children(recursive=True)
        server.process.kill()
        server.process.wait()
        _, alive = psutil.wait_procs(children, timeout=30)
        assert alive == []


def test_preload_in_an_environment_of_its_own(script: Path, tmp_path: Path) -> None:
    """--python-home and --preload together: the parent is executed, the processes are forked."""
    made = make_environment(tmp_path / "venv")
    with serving(script, "--preload", "--python-home", str(made), "--processes", "2") as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        parent = loader(server)
        assert seen(server)["loader"] == parent
        assert os.readlink(f"/proc/{parent}/exe") == os.path.realpath(made / "bin" / "python")
        os.kill(min(pids(server)), signal.SIGKILL)
        wait_for(lambda: len(server.daemons()) == 2, "a successor")
        assert server.log().count("loaded in") == 1


def test_memory_is_shared(tmp_path: Path) -> None:
    """What the script has loaded is in memory once: it is no process's alone."""
    extra = "DATA = [bytes(1000) + str(number).encode() for number in range(60_000)]\n"
    script = write(tmp_path / "site.wsgi", forked(extra=extra))
    with serving(script, "--preload", "--processes", "2") as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        for _ in range(20):
            seen(server)
        for process in server.daemons():
            usage = process.memory_full_info()
            assert usage.rss > 60_000_000
            assert usage.uss < 30_000_000


def test_kept_alive_connections_survive_all(tmp_path: Path) -> None:
    """A client's connection is the front's: it outlives parents and processes."""
    script = write(tmp_path / "site.wsgi", version("one"))
    with serving(script, "--preload") as server, server.connect() as sock:
        assert ask(sock).status == 200
        for parent in parents(server):
            os.kill(parent.pid, signal.SIGKILL)
        os.kill(min(pids(server)), signal.SIGKILL)
        assert ask(sock).status == 200


def test_options_that_contradict_each_other_are_refused() -> None:
    """A service script is not forked."""
    result = run("serve", __file__, "--preload", "--threads", "0")
    assert result.returncode == 2
    assert "--preload is nothing for a service script" in result.stderr
