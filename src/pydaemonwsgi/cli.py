"""argv to exit status. Decides nothing itself."""

import os
import sys
from collections.abc import Sequence

from pydaemonwsgi import __version__, inspection
from pydaemonwsgi.config.command_line import parse_serve
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.console.command_line import SUMMARIES, parse_command
from pydaemonwsgi.console.run import run
from pydaemonwsgi.errors import ConfigurationError, PydaemonwsgiError

__all__ = ["main"]

_USAGE = """\
usage: pydaemonwsgi COMMAND …

commands:
  serve          serve a WSGI script or module, or a configuration: `pydaemonwsgi serve --help` lists the options
{commands}
  version        print the version

Example: pydaemonwsgi serve app.wsgi --processes 2 --threads 25
"""


def _usage() -> str:
    summaries = {**inspection.SUMMARIES, **SUMMARIES}
    return _USAGE.format(commands="\n".join(f"  {name:<14} {meaning}" for name, meaning in summaries.items()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0, 1 when it could not start, 2 when it was asked wrongly."""
    _fill_standard_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_usage(), end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    command = arguments.pop(0)
    try:
        if command in {"version", "--version"}:
            print(f"pydaemonwsgi {__version__}")
            return 0
        if command == "serve":
            from pydaemonwsgi.serve.start import serve  # noqa: PLC0415 - the other commands need none of it

            return serve(parse_serve(arguments))
        if command == "check":
            from pydaemonwsgi.inspection import check  # noqa: PLC0415

            return check.run(arguments)
        if command == "explain":
            from pydaemonwsgi.inspection import explain  # noqa: PLC0415

            return explain.run(arguments)
        if command == "convert":
            from pydaemonwsgi.inspection import convert  # noqa: PLC0415

            return convert.run(arguments)
        if command in SUMMARIES:
            return run(parse_command(command, arguments))
        commands = ("serve", *inspection.SUMMARIES, *SUMMARIES, "version")
        advice = nearest(command, commands) or f"; the commands are {', '.join(commands)}"
        raise ConfigurationError(f"unknown command {command!r}{advice}")
    except PydaemonwsgiError as error:
        print(f"pydaemonwsgi: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)
    except KeyboardInterrupt:
        return 130


def _fill_standard_streams() -> None:
    """Put /dev/null where a standard stream is closed; or a listener would become standard input."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the process's life
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
