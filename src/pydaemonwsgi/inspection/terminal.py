"""What the commands that look at a configuration have in common on the terminal: arguments in, lines out. Sans-I/O."""

import argparse
from collections.abc import Sequence

from pydaemonwsgi.config.argument_parser import ArgumentParser
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["make_parser", "parse", "printable"]


def make_parser(command: str, description: str, exit_status: str) -> ArgumentParser:
    """Return a parser for a command that looks at a configuration: FILE, `--define`, `--json`."""
    parser = ArgumentParser(command, description, exit_status)
    parser.add_argument("file", metavar="FILE", help="the configuration")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-D", "--define", action="append", default=[], metavar="NAME", help="a name for <IfDefine>")
    return parser


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command's arguments.

    Args:
        parser: the command's.
        arguments: behind the command.

    Raises:
        ConfigurationError: they cannot be meant.
        SystemExit: with status 0 after --help was printed.
    """
    command = parser.prog.split()[-1]
    try:
        given, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ConfigurationError(f"{command}: {error}; {parser.prog} --help shows what may be given") from None
    if rest:
        raise ConfigurationError(f"{command}: {rest[0]!r} is not known; {parser.prog} --help lists the options")
    return given


def printable(text: str) -> str:
    """Return a line that is a line: what a file or a URL holds must not move the cursor."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
