"""What of a process group's orders differs from one application group to the next, from what a configuration says."""

import pytest

from pydaemonwsgi.config.grouping import has_own_gil
from pydaemonwsgi.config.model import Server
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.serve.blueprint import GroupBlueprint
from pydaemonwsgi.serve.orders import settings_of_group
from pydaemonwsgi.serve.partitions import division_of, fits_base, partition_of
from tests.unit.config.checking.fake_machine import server_of


def drawn(text: str, name: str = "g") -> GroupBlueprint:
    """The blueprint of the process group `name` of a configuration, which declares `g` if it declares none."""
    if "WSGIDaemonProcess" not in text:
        text = f"WSGIDaemonProcess g\n{text}"
    server: Server = server_of(f"Listen 8000\n{text}")
    group = next(group for group in server.groups if group.name == name)
    settings = settings_of_group(group, server, "/srv", None)
    return GroupBlueprint(group.title, group.options, settings, (), None, division_of(group, server))


def settings(group: GroupBlueprint, application_group: str | None, *, base: bool = False) -> DaemonSettings:
    return partition_of(group, application_group, base=base).settings


@pytest.mark.parametrize(
    ("lines", "base"),
    [
        ("WSGIProcessGroup g\nWSGIScriptAlias / /a.wsgi", None),
        ("WSGIProcessGroup g\nWSGIScriptAlias / /a.wsgi\nWSGIApplicationGroup name", None),
        ("WSGIProcessGroup g\nWSGIScriptAlias / /a.wsgi\nWSGIApplicationGroup %{GLOBAL}", ""),
        ("WSGIScriptAlias / /a.wsgi process-group=g application-group=%{GLOBAL}", ""),
        ("WSGIScriptAlias / /a.wsgi process-group=g application-group=named", "named"),
        ("WSGIProcessGroup g\n<Location /x>\nWSGIApplicationGroup %{GLOBAL}\n</Location>", ""),
        ("WSGIHandlerScript mine /h.wsgi process-group=g application-group=%{GLOBAL}", ""),
        ("WSGIImportScript /a.wsgi process-group=g application-group=first", "first"),
        (
            (
                "WSGIImportScript /a.wsgi process-group=g application-group=first\n"
                "WSGIImportScript /a.wsgi process-group=g application-group=%{GLOBAL}"
            ),
            "",
        ),
        # The only group is meant where nobody names one.
        ("WSGIScriptAlias / /a.wsgi process-group=g\nWSGIApplicationGroup %{GLOBAL}", ""),
        # Another group's, or nobody knows whose.
        ("WSGIDaemonProcess g\nWSGIDaemonProcess h\nWSGIProcessGroup h\nWSGIApplicationGroup %{GLOBAL}", None),
        ("WSGIDaemonProcess g\nWSGIDaemonProcess h\nWSGIProcessGroup %{ENV:G}\nWSGIApplicationGroup %{GLOBAL}", None),
    ],
)
def test_the_base_is_the_main_interpreters_or_that_of_what_is_loaded_early(lines: str, base: str | None) -> None:
    division = drawn(lines).division
    assert division is not None
    assert division.base == base


def test_with_interpreters_the_base_is_the_main_interpreters() -> None:
    """Whatever is loaded early; a service script, which takes no requests, has its process for itself."""
    lines = "WSGIImportScript /a.wsgi process-group=g application-group=first"
    together = drawn(f"WSGIDaemonProcess g application-groups=interpreters\n{lines}").division
    assert together is not None
    assert (together.base, together.early, together.together) == ("", ("first",), True)
    service = drawn(f"WSGIDaemonProcess g application-groups=interpreters threads=0\n{lines}").division
    assert service is not None
    assert (service.base, service.together) == ("first", False)


@pytest.mark.parametrize(
    ("lines", "own"),
    [
        ("", False),
        ("WSGIPerInterpreterGIL On", True),
        ("WSGIPerInterpreterGIL On\n<WSGIInterpreterOptions application-group=a>\nWSGIPerInterpreterGIL Off", False),
        ("WSGIPerInterpreterGIL On\n<WSGIInterpreterOptions application-group=b>\nWSGIPerInterpreterGIL Off", True),
        ("<WSGIInterpreterOptions process-group=g>\nWSGIPerInterpreterGIL On", True),
    ],
)
def test_an_application_group_has_the_gil_that_is_said(lines: str, own: bool) -> None:
    """What `check` says of it is what its interpreter gets."""
    end = "</WSGIInterpreterOptions>" if "<" in lines else ""
    text = f"WSGIDaemonProcess g application-groups=interpreters\n{lines}\n{end}"
    assert settings(drawn(text), "a").per_interpreter_gil is own
    assert has_own_gil(server_of(f"Listen 8000\n{text}"), "g", "a") is own


def test_scripts_of_apaches_children_have_a_main_interpreter() -> None:
    """Dispatch and access scripts run in the group that stands in for embedded mode, in %{GLOBAL} if nobody says."""
    division = drawn("WSGIDaemonProcess g\nWSGIDispatchScript /d.py\n", name="").division
    assert division is not None
    assert division.base == ""


def test_scripts_are_loaded_early_where_they_are_to_run() -> None:
    """Each once, in the order of the file; those of the base are not among the others'."""
    group = drawn(
        "WSGIImportScript /a.wsgi process-group=g application-group=one\n"
        "WSGIImportScript /b.wsgi process-group=g application-group=two\n"
        "WSGIImportScript /c.wsgi process-group=g application-group=one\n"
        "WSGIScriptAlias / /b.wsgi process-group=g application-group=two"
    )
    assert group.division is not None
    assert (group.division.base, group.division.early) == ("one", ("two",))
    assert settings(group, "one", base=True).import_scripts == ("/a.wsgi", "/c.wsgi")
    assert settings(group, "two").import_scripts == ("/b.wsgi",)
    assert partition_of(group, "two").scripts == ("/b.wsgi",)
    assert settings(group, "three").import_scripts == ()


def test_each_is_called_by_its_application_group() -> None:
    """The group's own processes keep the name that everybody knows; a title that somebody chose stays."""
    group = drawn("")
    assert (partition_of(group, "a", base=True).name, settings(group, "a", base=True).display_name) == ("g", "(wsgi:g)")
    assert settings(group, None, base=True).application_group is None
    part = partition_of(group, "www.site.com|/blog")
    assert part.name == "g|www.site.com|/blog"
    assert part.settings.display_name == "(wsgi:g:www.site.com|/blog)"
    assert part.settings.application_group == "www.site.com|/blog"
    assert part.settings.group == "g"
    assert partition_of(group, "").name == "g|%{GLOBAL}"
    assert partition_of(group, "a\nb\x1b").name == "g|a?b?"
    assert settings(drawn("WSGIDaemonProcess g display-name=mine"), "a").display_name == "mine"


def test_options_are_those_of_the_block_that_names_most() -> None:
    """And of those that name as much, of the last; directories add up."""
    group = drawn(
        "WSGISwitchInterval 0.5\n"
        "<WSGIInterpreterOptions process-group=g application-group=a>\n"
        "WSGISwitchInterval 0.1\nWSGIPythonPath /most\n</WSGIInterpreterOptions>\n"
        "<WSGIInterpreterOptions application-group=a>\nWSGISwitchInterval 0.2\nWSGIPythonPath /more\n"
        "</WSGIInterpreterOptions>\n"
        "<WSGIInterpreterOptions>\nWSGIRestrictStdin On\nWSGIPythonPath /all\n</WSGIInterpreterOptions>\n"
        "<WSGIInterpreterOptions process-group=g>\nWSGIRestrictSignal Off\n</WSGIInterpreterOptions>\n"
        "<WSGIInterpreterOptions process-group=g>\nWSGIRestrictSignal On\n</WSGIInterpreterOptions>\n"
    )
    one, other = settings(group, "a"), settings(group, "b")
    assert (one.switch_interval, one.python_path) == (0.1, ("/all", "/more", "/most"))
    assert (other.switch_interval, other.python_path) == (0.5, ("/all",))
    for either in (one, other):
        assert (either.restrict_stdin, either.restrict_stdout, either.restrict_signal) == (True, False, True)


def test_the_groups_own_options_come_first() -> None:
    """Its switch interval wins, and its directories are searched before."""
    group = drawn(
        "WSGIDaemonProcess g switch-interval=0.05 python-path=/own\nWSGISwitchInterval 0.5\n"
        "<WSGIInterpreterOptions application-group=a>\nWSGIPythonPath /more\nWSGISwitchInterval 0.1\n"
        "</WSGIInterpreterOptions>"
    )
    assert settings(group, "a").switch_interval == 0.05
    assert settings(group, "a").python_path == ("/own", "/more")


def test_the_path_of_embedded_mode_is_for_embedded_mode() -> None:
    """WSGIPythonPath outside of a block."""
    lines = "WSGIDaemonProcess g\nWSGIPythonPath /embedded\nWSGIDispatchScript /d.py\n"
    assert settings(drawn(lines), "a").python_path == ()
    assert settings(drawn(lines, name=""), "a").python_path == ("/embedded",)


def test_who_has_options_of_its_own_does_not_fit_what_was_started_for_nobody() -> None:
    group = drawn("<WSGIInterpreterOptions application-group=a>\nWSGIRestrictStdin On\n</WSGIInterpreterOptions>")
    assert not fits_base(group, "a")
    assert fits_base(group, "b")
    every = drawn("<WSGIInterpreterOptions>\nWSGIRestrictStdin On\n</WSGIInterpreterOptions>")
    assert fits_base(every, "a")
    assert settings(every, None, base=True).restrict_stdin


def test_a_path_outside_of_the_chroot_is_refused() -> None:
    lines = "WSGIDaemonProcess g chroot=/srv home=/srv\n"
    with pytest.raises(ConfigurationError, match=r"/a\.wsgi"):
        drawn(lines + "WSGIImportScript /a.wsgi process-group=g application-group=a")
    group = drawn(
        lines + "<WSGIInterpreterOptions application-group=a>\nWSGIPythonPath /elsewhere\n</WSGIInterpreterOptions>"
    )
    with pytest.raises(ConfigurationError, match="/elsewhere"):
        partition_of(group, "a")


def test_what_is_not_divided_is_left_as_it_is() -> None:
    group = drawn("")
    whole = GroupBlueprint(group.name, group.options, group.settings, ())
    assert partition_of(whole, "a") is whole
