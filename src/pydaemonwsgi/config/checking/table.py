"""The table of checks, and how it is asked. Sans-I/O."""

from pydaemonwsgi.config.checking import application_groups, files, groups, hosts, patterns, telemetry
from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.checking.row import Check
from pydaemonwsgi.config.model import Server
from pydaemonwsgi.config.problems import Problem

__all__ = ["CHECKS", "check"]

CHECKS: tuple[Check, ...] = (
    *hosts.CHECKS,
    *patterns.CHECKS,
    *groups.CHECKS,
    *application_groups.CHECKS,
    *files.CHECKS,
    *telemetry.CHECKS,
)
"""Every check; to add one, add a row in the module of its subject."""


def check(server: Server, machine: Machine) -> list[Problem]:
    """What somebody will regret, by file and line; each said once."""
    findings = dict.fromkeys(finding for row in CHECKS for finding in row.look(server, machine))
    ordered = sorted(findings, key=lambda finding: (finding.position.file, finding.position.line))
    return [Problem(finding.severity, finding.position, finding.directive, finding.text) for finding in ordered]
