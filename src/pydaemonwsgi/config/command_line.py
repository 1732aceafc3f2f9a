"""The command line of `pydaemonwsgi serve`, read with parsers made from the option table. Sans-I/O."""

import argparse
import difflib
import textwrap
from collections.abc import Sequence
from typing import Any

from pydaemonwsgi.config.option import Option
from pydaemonwsgi.config.options import BESIDE_CONFIGURATION, OPTIONS, ServeOptions
from pydaemonwsgi.config.validation import validate
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["parse_serve", "serve_command_line"]

DESCRIPTION = "Serve a WSGI application from a group of daemon processes behind one front."
EPILOG = (
    "Times are seconds or take a unit (250ms, 30s, 5m, 1h); sizes are bytes or take a unit of 1024 (10k, 512M, 1GiB)."
)


def parse_serve(argv: Sequence[str]) -> ServeOptions:
    """Read the arguments after the word `serve`.

    Returns:
        The options, validated.

    Raises:
        ConfigurationError: with one line that says what is wrong and what to give.
        SystemExit: with status 0 after --help was printed.
    """
    arguments = list(argv)
    parser = _build_parser()
    try:
        namespace, extras = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ConfigurationError(_explain(error)) from None
    given: dict[str, Any] = vars(namespace)
    scripts = [*given.pop("script", ()), *(extra for extra in extras if not extra.startswith("-"))]
    _refuse_unknown_options(arguments, extras + scripts)
    for name, value in given.items():
        if OPTIONS[name].repeatable:
            given[name] = tuple(value)
    if "config" in given:
        _refuse_beside_configuration(given, scripts)
        options = ServeOptions("", **given)
        validate(options)
        return options
    if "define" in given:
        raise ConfigurationError("--define is for <IfDefine> in a configuration; give --config FILE as well")
    if not scripts:
        raise ConfigurationError(
            "SCRIPT is missing; give a file such as app.wsgi, or a module such as package.module, or --config FILE"
        )
    if len(scripts) > 1:
        raise ConfigurationError(f"more than one SCRIPT: {scripts[0]!r} and {scripts[1]!r}; give one")
    options = ServeOptions(OPTIONS["script"].parse(scripts[0]), **given)
    validate(options)
    return options


def _refuse_beside_configuration(given: dict[str, Any], scripts: list[str]) -> None:
    if scripts:
        raise ConfigurationError(
            f"both SCRIPT ({scripts[0]}) and --config; the configuration names the scripts (WSGIScriptAlias): give one"
        )
    for name in given:
        if name not in BESIDE_CONFIGURATION:
            row = OPTIONS[name]
            where = f"as {row.daemon_option} of WSGIDaemonProcess" if row.daemon_option else "by its directive"
            raise ConfigurationError(
                f"{row.flag} has no place beside --config; write it into {given['config']} {where}, not here"
            )


def serve_command_line(options: ServeOptions) -> list[str]:
    """The shortest arguments that `parse_serve` reads back as these options."""
    arguments = []
    for row in OPTIONS.values():
        value = getattr(options, row.name)
        if row.is_positional or value == row.default:
            continue
        if row.kind is None:
            arguments.append(row.flag)
        else:
            arguments += [f"{row.flag}={text}" for text in row.render(value)]
    if options.config is not None:
        return arguments
    return [*arguments, "--", options.script] if options.script.startswith("-") else [*arguments, options.script]


class _HelpFormatter(argparse.HelpFormatter):
    """Breaks no line within a flag, as the standard one does."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pydaemonwsgi serve",
        usage="pydaemonwsgi serve [OPTION ...] SCRIPT | --config FILE",
        description=DESCRIPTION,
        epilog=EPILOG,
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: _HelpFormatter(prog, max_help_position=32),
        allow_abbrev=False,
        exit_on_error=False,
        add_help=False,
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for row in OPTIONS.values():
        if row.heading not in groups:
            groups[row.heading] = parser.add_argument_group(row.heading)
        _add_argument(groups[row.heading], row)
    help_group = parser.add_argument_group("Help")
    help_group.add_argument("-h", "--help", action="help", help="Show this text and end.")
    return parser


def _add_argument(group: "argparse._ArgumentGroup", row: Option) -> None:
    text = _help_text(row).replace("%", "%%")
    if row.is_positional:
        # Any number is taken here, so that none and two of them get our own message.
        group.add_argument(row.name, nargs="*", metavar=row.metavar, help=text)
    elif row.kind is None:
        group.add_argument(row.flag, dest=row.name, action="store_true", help=text)
    else:
        action = "extend" if row.repeatable else "store"
        group.add_argument(row.flag, dest=row.name, action=action, type=row.parse, metavar=row.metavar, help=text)


def _help_text(row: Option) -> str:
    if row.is_positional:
        return row.meaning
    notes = [f"default {row.default_text}"]
    if row.zero and row.default != 0:
        notes.append(f"0: {row.zero}")
    if row.repeatable:
        notes.append("may be repeated")
    return f"{row.meaning} ({'; '.join(notes)})"


def _explain(error: argparse.ArgumentError) -> str:
    for row in OPTIONS.values():
        if row.flag != error.argument_name:
            continue
        if row.kind is None:
            return f"{row.flag}: takes no value; write {row.flag} alone"
        return f"{row.flag}: needs a value; give {row.kind.accepted} (as {row.flag}=VALUE if it begins with -)"
    return str(error)


def _refuse_unknown_options(arguments: list[str], leftovers: list[str]) -> None:
    after = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    for leftover in leftovers:
        if not leftover.startswith("-") or leftover == "--" or leftover in after:
            continue
        flag = leftover.partition("=")[0].split()[0]
        flags = [row.flag for row in OPTIONS.values() if not row.is_positional] + ["--help"]
        nearest = difflib.get_close_matches(flag, flags, n=1)
        advice = f"did you mean {nearest[0]}?" if nearest else "pydaemonwsgi serve --help shows all options"
        raise ConfigurationError(f"unknown option {flag}; {advice}")
