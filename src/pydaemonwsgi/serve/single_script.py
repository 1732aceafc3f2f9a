"""The blueprint of `pydaemonwsgi serve SCRIPT`: one process group, one script. Shell."""

import os

from pydaemonwsgi.config.options import OPTIONS, ServeOptions
from pydaemonwsgi.config.serving import model_of
from pydaemonwsgi.config.values import INTERPRETERS
from pydaemonwsgi.serve.blueprint import Blueprint, GroupBlueprint
from pydaemonwsgi.serve.orders import daemon_settings
from pydaemonwsgi.serve.preflight import Checked, check, current_directory, describe
from pydaemonwsgi.serve.telemetry import telemetry_warnings
from pydaemonwsgi.system.readability import check_readable_as

__all__ = ["draw"]


def draw(options: ServeOptions) -> Blueprint:
    """Look at everything that a command line names, and return what is to be served.

    Raises:
        ConfigurationError: the options cannot be obeyed.
        StartError: the machine refuses something.
    """
    checked = check(options)
    model = model_of(options, checked.script, cwd=current_directory())
    settings = daemon_settings(options, checked, model)
    group = GroupBlueprint(
        options.group_name,
        options,
        settings,
        () if checked.script.path is None else (checked.script.path,),
    )
    defaults = all(getattr(options, name) == OPTIONS[name].default for name in ("host", "port", "listen"))
    return Blueprint(
        subject=options.script,
        name=options.group_name,
        listen=options.listeners,
        listens_by_default=defaults,
        clients=options,
        mount_point=options.mount_point,
        identity=checked.identity,
        groups=(group,),
        fallback=options,
        error_log=model.main.error_log,
        log_level=options.log_level,
        pid_file=model.pid_file,
        access_logs=(model.main.access_logs,),
        notes=() if checked.environment is None else tuple(describe(checked.environment, options)),
        warnings=(*_warnings(options, checked), *telemetry_warnings(model)),
    )


def _warnings(options: ServeOptions, checked: Checked) -> list[str]:
    identity = checked.identity
    texts = []
    if identity is None:
        texts.append(
            "started as root without --user: the application runs as root; give --user NAME for anything but a test"
        )
    elif os.geteuid() != 0 and options.user not in {None, identity.user_name, f"#{identity.uid}"}:
        texts.append(
            f"--user {options.user} has no effect: only root can become another user; running as {identity.user_name}"
        )
    if options.socket_user is not None and os.geteuid() != 0:
        texts.append(f"--socket-user {options.socket_user} has no effect: only root can give a file away")
    if options.application_groups == INTERPRETERS:
        texts.append(
            "--application-groups interpreters has no effect: one script runs in the main interpreter; it is for a "
            "configuration (--config) in which several run"
        )
    if options.telemetry_service is None:
        texts += [
            f"{OPTIONS[name].flag} has no effect without --telemetry-service"
            for name in ("telemetry_interval", "telemetry_options")
            if getattr(options, name) != OPTIONS[name].default
        ]
    if checked.script.path is not None and checked.script.path.endswith(".conf"):
        texts.append(
            f"{options.script} is loaded as a Python script; if it is a configuration, "
            f"write serve --config {options.script}"
        )
    texts += [f"--python-path {entry} is not a directory" for entry in options.python_path if not os.path.isdir(entry)]
    if identity is not None and identity.uid != os.geteuid() and options.chroot is None:
        entries = [os.path.abspath(entry) for entry in options.python_path if os.path.isdir(entry)]
        texts += check_readable_as(identity, [(entry, "--python-path") for entry in entries]) if entries else []
    return texts
