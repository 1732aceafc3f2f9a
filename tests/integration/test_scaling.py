"""The number of processes changes under load, and no request notices."""

import signal
from collections.abc import Callable
from pathlib import Path

from tests.helpers.control import done, only_group, order
from tests.helpers.server import APPS, Server, serving, wait_for
from tests.integration.test_recycling import Load

GATE = (APPS / "life_gate.py").read_text("utf-8")


def test_ten_scale_changes_during_traffic_lose_no_request(tmp_path: Path) -> None:
    """Up and down, by command and by signal, waiting and not waiting, beside a reload: every request has its answer."""
    script = tmp_path / "app.wsgi"
    script.write_text(GATE)
    steps: list[Callable[[Server], object]] = [
        lambda server: done(server, "scale", "app", "4", "--wait"),
        lambda server: done(server, "scale", "app", "1", "--wait"),
        lambda server: done(server, "scale", "app", "3"),
        lambda server: done(server, "scale", "app", "2"),
        lambda server: server.process.send_signal(signal.SIGTTIN),
        lambda server: server.process.send_signal(signal.SIGTTIN),
        lambda server: server.process.send_signal(signal.SIGHUP),
        lambda server: done(server, "scale", "app", "1"),
        lambda server: server.process.send_signal(signal.SIGTTIN),
        lambda server: done(server, "scale", "app", "5", "--wait"),
        lambda server: done(server, "scale", "app", "2", "--wait"),
    ]
    with serving(script, "--processes", "2") as server, Load(server) as load:
        for step in steps:
            step(server)
            load.wait_for_more(20)
        wait_for(lambda: only_group(server)["running"] == 2, "two processes")
        assert order(server, "status").returncode == 0
    assert load.failures == []
