"""pydaemonwsgi.socket: systemd listens, and the first client starts the service."""

import stat

import pytest

from tests.systemd.service import SOCKET_UNIT, UNIT, Service

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]


def test_first_connection_starts_the_service(service: Service) -> None:
    """And again after it has been stopped: the socket is not the service's to take away."""
    service.systemctl("start", SOCKET_UNIT)
    assert stat.S_ISSOCK((service.machine.root / "run/pydaemonwsgi/app.sock").stat().st_mode)
    for number in range(2):
        assert service.shown("ActiveState") == "inactive"
        assert service.get(f"/{number}/10/plain").status == 200
        assert service.shown("ActiveState") == "active"
        assert service.shown("NFileDescriptorStore") == "0"
        # It is enough that the service is stopped; the socket goes on listening.
        service.systemctl("stop", UNIT)


def test_reload_and_restart_with_a_socket_unit_fail_no_request(service: Service) -> None:
    """Nor does the start: the load is what starts it."""
    service.systemctl("start", SOCKET_UNIT)
    load = service.loading()
    service.spin(load)
    for _ in range(2):
        assert service.under(load, "reload", UNIT).status == 0
        assert service.under(load, "restart", UNIT).status == 0
        service.spin(load)
    service.settle(load, "start, 2 reloads and 2 restarts with a socket unit")
