"""`pydaemonwsgi check FILE`: everything that is wrong with a configuration, or likely to be regretted. Shell."""

import argparse
import json
from collections.abc import Sequence

from pydaemonwsgi.config.application_groups import ApplicationGroup, application_groups
from pydaemonwsgi.config.checking.table import check
from pydaemonwsgi.config.problems import Problem, Severity
from pydaemonwsgi.inspection.configuration import read_configuration
from pydaemonwsgi.inspection.machine import LocalMachine
from pydaemonwsgi.inspection.terminal import make_parser, parse, printable
from pydaemonwsgi.system.output import write_out

__all__ = ["run"]

_CLEAN, _WARNINGS, _ERRORS = 0, 1, 2


def run(arguments: Sequence[str]) -> int:
    """Print what is found.

    Returns:
        0; 1 if there are warnings and `--strict` was given; 2 if there are errors.

    Raises:
        ConfigurationError: the arguments cannot be meant.
    """
    given = _parse(arguments)
    machine = LocalMachine()
    loaded = read_configuration(given.file, given.define, machine)
    problems = list(loaded.problems)
    groups: list[ApplicationGroup] = []
    if loaded.server is not None:
        problems += check(loaded.server, machine)
        groups = application_groups(loaded.server)
    # Where a line could not be understood, whatever else is said may be wrong for want of it.
    is_whole = loaded.server is not None
    if given.json:
        text = _as_json(problems, groups, is_whole=is_whole)
    else:
        text = _as_text(given.file, problems, groups, is_whole=is_whole, quiet=given.quiet)
    write_out(f"{text}\n")
    if any(problem.severity is Severity.ERROR for problem in problems):
        return _ERRORS
    if given.strict and any(problem.severity is Severity.WARNING for problem in problems):
        return _WARNINGS
    return _CLEAN


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = make_parser(
        "check",
        "Print everything that is wrong with a configuration, and what is likely to be regretted.",
        "0 clean, 1 warnings with --strict, 2 errors",
    )
    parser.add_argument("--strict", action="store_true", help="exit status 1 if there are warnings")
    parser.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    return parse(parser, arguments)


def _as_text(file: str, problems: list[Problem], groups: list[ApplicationGroup], *, is_whole: bool, quiet: bool) -> str:
    shown = [problem for problem in problems if not quiet or problem.severity is not Severity.INFO]
    lines = [printable(str(problem)) for problem in shown]
    if not quiet:
        lines += [printable(f"{group.position}: info: {group}") for group in groups]
    errors, warnings = (_count(problems, severity) for severity in (Severity.ERROR, Severity.WARNING))
    rest = "" if is_whole else "; what is likely to be regretted is looked for when the errors are mended"
    return "\n".join([*lines, f"{file}: {errors}, {warnings}{rest}"])


def _count(problems: list[Problem], severity: Severity) -> str:
    count = sum(problem.severity is severity for problem in problems)
    return f"{count} {severity.value}{'' if count == 1 else 's'}"


def _as_json(problems: list[Problem], groups: list[ApplicationGroup], *, is_whole: bool) -> str:
    content = {
        "complete": is_whole,
        "problems": [
            {
                "severity": problem.severity.value,
                "file": problem.position.file,
                "line": problem.position.line,
                "directive": problem.directive,
                "text": problem.text,
            }
            for problem in problems
        ],
        "application_groups": [
            {
                "process_group": group.process_group,
                "application_group": group.name,
                "runs_as": group.runs_as,
                "script": group.script,
                "file": group.position.file,
                "line": group.position.line,
            }
            for group in groups
        ],
    }
    return json.dumps(content, indent=2)
