"""The orders of each application group of a process group: what differs from one to the next. Sans-I/O."""

import dataclasses
import os
from typing import Any

from pydaemonwsgi.config.chroot import seen_from_inside
from pydaemonwsgi.config.grouping import groups_with_main_interpreter
from pydaemonwsgi.config.model import NOWHERE, InterpreterOptions, ProcessGroup, Server, partition_title
from pydaemonwsgi.config.values import GROUP_TITLE, INTERPRETERS
from pydaemonwsgi.serve.blueprint import Division, GroupBlueprint

__all__ = ["division_of", "fits_base", "partition_of"]


def division_of(group: ProcessGroup, server: Server) -> Division:
    """Return by what a configured process group is divided.

    The main interpreter is the base's if anything is to run there, or if the others have sub-interpreters; else it is
    the application group in which something is loaded early; where the file does not say it, the first request does.

    Raises:
        ConfigurationError: a path is outside of the chroot.
    """
    chroot = group.options.chroot
    imports = tuple(
        (
            script.application_group,
            # Whatever else the process may not see is found out when it is loaded, and is that script's trouble alone.
            script.path
            if script.path.startswith("module:")
            else seen_from_inside(script.path, chroot, "WSGIImportScript"),
        )
        for script in server.import_scripts
        if script.process_group == group.name
    )
    together = bool(group.options.threads) and group.options.application_groups == INTERPRETERS
    if together or group.name in groups_with_main_interpreter(server):
        base: str | None = ""
    else:
        base = imports[0][0] if imports else None
    return Division(
        base,
        tuple(dict.fromkeys(imports)),
        tuple(_for_group(block, group) for block in server.interpreters if block.process_group in {None, group.name}),
        group.options.maximum_application_groups,
        together,
    )


def _for_group(block: InterpreterOptions, group: ProcessGroup) -> InterpreterOptions:
    # WSGIPythonPath outside of a block is embedded mode's.
    return dataclasses.replace(block, python_path=()) if group.name and block.position == NOWHERE else block


def partition_of(group: GroupBlueprint, application_group: str | None, *, base: bool = False) -> GroupBlueprint:
    """Return what the processes of one application group are to be.

    Args:
        group: the process group; its settings are what holds for every application group.
        application_group: its name; None: not known yet.
        base: they are the process group's own.

    Raises:
        ConfigurationError: a path is outside of the chroot.
    """
    division = group.division
    if division is None:
        return group
    imports = tuple(path for name, path in division.imports if name == application_group)
    own: dict[str, Any] = {
        "application_group": application_group,
        "import_scripts": imports,
        **_interpreter(group, application_group),
    }
    name = group.name
    if not base:
        assert application_group is not None, "only the base may be unbound"
        name = partition_title(group.name, application_group)
        if group.options.display_name == GROUP_TITLE:
            own["display_name"] = f"(wsgi:{name.replace('|', ':', 1)})"
    return dataclasses.replace(
        group,
        name=name,
        settings=dataclasses.replace(group.settings, **own),
        scripts=tuple(path for path in imports if not path.startswith("module:")),
    )


def fits_base(group: GroupBlueprint, application_group: str) -> bool:
    """Whether processes that were started for no application group in particular may become this one's."""
    return _interpreter(group, application_group) == _interpreter(group, None)


def _interpreter(group: GroupBlueprint, application_group: str | None) -> dict[str, Any]:
    """Return the settings that `<WSGIInterpreterOptions>` has for an application group."""
    assert group.division is not None
    blocks = [
        block
        for block in group.division.interpreters
        if block.application_group is None or block.application_group == application_group
    ]
    # More selectors win, then the later one.
    blocks.sort(key=lambda block: block.selectors)
    settings = group.settings
    own_interval = settings.switch_interval
    found: dict[str, Any] = {
        name: getattr(settings, name)
        for name in (
            "switch_interval",
            "per_interpreter_gil",
            "restrict_stdin",
            "restrict_stdout",
            "restrict_signal",
        )
    }
    python_path = settings.python_path
    for block in blocks:
        found |= {name: value for name in found if (value := getattr(block, name)) is not None}
        python_path += tuple(
            seen_from_inside(os.path.abspath(entry), group.options.chroot, "WSGIPythonPath")
            for entry in block.python_path
        )
    if own_interval is not None:
        found["switch_interval"] = own_interval  # what WSGIDaemonProcess says of the group wins
    return found | {"python_path": python_path}
