"""`pydaemonwsgi convert serve ...`: the configuration that is equal to a command line. Shell."""

import os
from collections.abc import Sequence

from pydaemonwsgi.config.command_line import parse_serve
from pydaemonwsgi.config.script import resolve_script
from pydaemonwsgi.config.serving import model_of
from pydaemonwsgi.config.writer import write_configuration
from pydaemonwsgi.errors import ConfigurationError, StartError
from pydaemonwsgi.system.output import write_out

__all__ = ["run"]

_USAGE = """\
usage: pydaemonwsgi convert serve [OPTION ...] SCRIPT

Print the configuration that does the same as the command line behind `convert`.
"""


def run(arguments: Sequence[str]) -> int:
    """Print it.

    Raises:
        ConfigurationError: the command line cannot be meant, or cannot be written as a configuration.
        StartError: the current directory has been removed.
    """
    if list(arguments[:1]) in (["-h"], ["--help"]):
        print(_USAGE, end="")
        return 0
    if not arguments or arguments[0] != "serve":
        raise ConfigurationError("convert: give a command line, like pydaemonwsgi convert serve app.wsgi --threads 25")
    options = parse_serve(arguments[1:])
    if options.config is not None:
        raise ConfigurationError(f"convert: {options.config} is a configuration already")
    try:
        cwd = os.getcwd()
    except OSError as error:
        raise StartError(f"the current directory is not there any more: {error.strerror}; cd elsewhere") from error
    script = resolve_script(options, cwd=cwd, exists=os.path.isfile)
    write_out(write_configuration(model_of(options, script, cwd=cwd)))
    return 0
