"""settled: where application groups are kept apart when nobody has said so."""

import pytest

from pydaemonwsgi.config.application_groups import settled
from pydaemonwsgi.config.group_options import GroupOptions
from tests.unit.config.checking.fake_machine import server_of

LISTEN = "Listen 8000\nServerName a.example\n"
TWO = "WSGIScriptAlias /a /a.wsgi process-group=g\nWSGIScriptAlias /b /b.wsgi process-group=g\n"


def choices(text: str, *, old: bool = False, asked: list[GroupOptions] | None = None) -> dict[str, str]:
    """Return what is chosen for each process group, with a Python that has sub-interpreters or is too old."""

    def has_subinterpreters(options: GroupOptions) -> bool:
        if asked is not None:
            asked.append(options)
        return not old

    server = settled(server_of(LISTEN + text), has_subinterpreters)
    return {group.name: group.options.application_groups for group in server.groups}


def test_several_share_processes_as_under_mod_wsgi() -> None:
    assert choices(f"WSGIDaemonProcess g\n{TWO}") == {"g": "interpreters"}


def test_a_python_without_sub_interpreters_has_processes() -> None:
    assert choices(f"WSGIDaemonProcess g\n{TWO}", old=True) == {"g": "processes"}


@pytest.mark.parametrize("choice", ["processes", "interpreters"])
def test_what_is_written_holds(choice: str) -> None:
    for old in (False, True):
        assert choices(f"WSGIDaemonProcess g application-groups={choice}\n{TWO}", old=old) == {"g": choice}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("WSGIDaemonProcess g\nWSGIScriptAlias / /a.wsgi process-group=g", id="one-script"),
        pytest.param(f"WSGIDaemonProcess g\nWSGIApplicationGroup %{{GLOBAL}}\n{TWO}", id="the-main-interpreter"),
        pytest.param(f"WSGIDaemonProcess g\nWSGIApplicationGroup shared\n{TWO}", id="one-name"),
        pytest.param("WSGIDaemonProcess g", id="nothing"),
    ],
)
def test_one_alone_has_processes_in_which_it_is_alone(text: str) -> None:
    assert choices(text) == {"g": "processes"}


def test_scripts_in_a_directory_are_several() -> None:
    assert choices("WSGIDaemonProcess g\nWSGIProcessGroup g\nAddHandler wsgi-script .wsgi") == {"g": "interpreters"}


def test_names_that_clients_choose_get_processes() -> None:
    """They may be dropped when there are too many; interpreters cannot be."""
    text = "WSGIDaemonProcess g\nWSGIScriptAlias / /a.wsgi process-group=g application-group=%{HOST}"
    assert choices(text) == {"g": "processes"}


@pytest.mark.parametrize("options", ["preload=On", "chroot=/srv/jail", "threads=0"])
def test_what_goes_with_processes_only_has_processes(options: str) -> None:
    script = "WSGIImportScript /s.py process-group=g application-group=%{GLOBAL}\n"
    assert choices(f"WSGIDaemonProcess g {options}\n{TWO}{script}") == {"g": "processes"}


def test_each_process_group_is_decided_for_itself() -> None:
    text = f"WSGIDaemonProcess g\nWSGIDaemonProcess h\n{TWO}WSGIScriptAlias /c /c.wsgi process-group=h"
    assert choices(text) == {"g": "interpreters", "h": "processes"}


def test_no_python_is_looked_at_where_there_is_nothing_to_choose() -> None:
    """It has to be executed for that, and there may be hundreds."""
    asked: list[GroupOptions] = []
    choices("WSGIDaemonProcess g python-home=/venv\nWSGIScriptAlias / /a.wsgi process-group=g", asked=asked)
    assert asked == []
