"""herald: what the service manager is told when; a real notify socket hears it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.supervisor.herald import Figures, Herald, in_short
from pydaemonwsgi.system.notify import Notifier

FIGURES = Figures(busy=3, threads=50, queued=1, clients=7, requests=900)
WORDS = "3 of 50 threads busy, 1 requests queued, 7 clients, 900 requests served"


class Setting:
    """A herald, a clock that stands still unless it is set, and the manager's end."""

    def __init__(self, address: str, manager: socket.socket, watchdog: float = 0.0) -> None:
        self.now = 100.0
        self.asked = 0
        self._manager = manager
        self.herald = Herald(Notifier(address, watchdog), self._ask, lambda: self.now)

    def _ask(self) -> bool:
        self.asked += 1
        return True

    def at(self, now: float) -> list[str]:
        """Let the herald do what is due at a time; return what the manager has heard since it was asked last."""
        self.now = now
        self.herald.carry_out(now, lambda: FIGURES)
        return self.heard()

    def heard(self) -> list[str]:
        """Return what the manager has heard since it was asked last."""
        lines: list[str] = []
        while True:
            try:
                lines += self._manager.recv(4096).decode().split("\n")
            except BlockingIOError:
                return lines


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A notify socket, bound in the test's directory."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(str(tmp_path / "notify"))
        yield sock


@pytest.fixture
def setting(manager: socket.socket) -> Setting:
    """Without a watchdog."""
    return Setting(manager.getsockname(), manager)


def test_status_is_told_when_it_has_changed(setting: Setting) -> None:
    """Not before the server is ready, not more often than every five seconds, not twice the same."""
    assert setting.at(100) == []
    setting.herald.on_ready()
    assert setting.heard()[-2:] == ["READY=1", "STATUS=serving"]
    assert setting.at(104.9) == []
    assert setting.at(105) == [f"STATUS={WORDS}"]
    assert setting.at(110) == []


def test_failed_reload_stays_in_the_status_until_one_succeeds(setting: Setting) -> None:
    """Who looks an hour later sees that the old code runs."""
    setting.herald.on_ready()
    setting.herald.on_reload()
    setting.herald.on_reloaded("the script does not load")
    assert setting.heard()[-2:] == ["READY=1", "STATUS=reload failed: the script does not load"]
    assert setting.at(105) == [f"STATUS=last reload failed: the script does not load; {WORDS}"]
    setting.herald.on_reload()
    assert setting.heard()[0] == "RELOADING=1"
    assert setting.at(110) == []
    setting.herald.on_reloaded()
    assert setting.heard() == ["READY=1", "STATUS=reloaded"]
    assert setting.at(115) == [f"STATUS={WORDS}"]


def test_reload_before_the_server_is_ready_is_no_news(setting: Setting) -> None:
    """READY=1 must not come by a side door."""
    setting.herald.on_reload()
    setting.herald.on_reloaded()
    assert setting.heard() == []


def test_watchdog_is_fed_while_the_front_answers(manager: socket.socket) -> None:
    """Half an interval without an answer, and it goes hungry; a server that stops has no front to ask."""
    setting = Setting(manager.getsockname(), manager, watchdog=40.0)
    setting.herald.on_front_started()
    assert "WATCHDOG=1" in setting.at(105)
    setting.herald.on_front_answer()
    assert "WATCHDOG=1" in setting.at(124)
    assert "WATCHDOG=1" not in setting.at(130)
    assert setting.asked == 3
    setting.herald.on_stop("SIGTERM")
    assert setting.heard() == ["STOPPING=1", "STATUS=stopping: SIGTERM"]
    assert setting.at(140) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("problem", "short"),
    [
        ("", ""),
        ("it did not load within 60 s", "it did not load within 60 s"),
        (
            "script a.wsgi does not load: Traceback (most recent call last):\n  File …\nSyntaxError: invalid\n",
            "script a.wsgi does not load: SyntaxError: invalid",
        ),
        (
            'script a.wsgi does not load:   File "a.wsgi", line 3\n    return [\n           ^\nSyntaxError: invalid\n',
            'script a.wsgi does not load: File "a.wsgi", line 3: SyntaxError: invalid',
        ),
    ],
)
def test_problem_in_short_has_the_error_itself(problem: str, short: str) -> None:
    """A traceback's last line is what the reader wants to know."""
    assert in_short(problem) == short
