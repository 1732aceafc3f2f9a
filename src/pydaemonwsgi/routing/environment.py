"""Variables of a request: `SetEnv`, `PassEnv`, `UnsetEnv`, `SetEnvIf`, `BrowserMatch`. Sans-I/O."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from pydaemonwsgi.config.model import EnvironmentCondition, EnvironmentVariable, Host, Rewrite, Section, Settings
from pydaemonwsgi.config.patterns import compile_pattern, expand_groups
from pydaemonwsgi.errors import ConfigurationError, OvertimeError
from pydaemonwsgi.routing.mistakes import MistakeError
from pydaemonwsgi.routing.request import Request

__all__ = ["EnvironmentTest", "fixed_environment", "may_set"]

_HEADER_NAME: Final = re.compile(r"[-A-Za-z0-9_]*")
_ATTRIBUTES: Final[dict[str, Callable[[Request], str]]] = {
    "remote_host": lambda request: request.fact("remote_host") or request.fact("remote_address"),
    "remote_addr": lambda request: request.fact("remote_address"),
    "server_addr": lambda request: request.fact("local_address"),
    "request_method": lambda request: request.facts.method,
    "request_protocol": lambda request: request.fact("protocol"),
    "request_uri": lambda request: request.uri,
}


class EnvironmentTest:
    """One `SetEnvIf`, compiled.

    Raises:
        ConfigurationError: the pattern is wrong; the message begins with the place.
    """

    __slots__ = ("_read", "_regex", "_source")

    def __init__(self, condition: EnvironmentCondition) -> None:
        self._source = condition
        try:
            self._regex = compile_pattern(condition.pattern, ignore_case=condition.ignore_case)
            self._read = _reader(condition.attribute)
        except ConfigurationError as error:
            raise MistakeError(condition.position, error) from error

    def apply(self, request: Request) -> None:
        """Set and unset the variables if the attribute fits."""
        try:
            match = self._regex.search(self._read(request))
        except OvertimeError as error:
            source = self._source
            raise OvertimeError(f"{error}: SetEnvIf {source.attribute} {source.pattern} ({source.position})") from error
        if match is None:
            return
        for name, value in self._source.variables:
            if value is None:
                request.environment.pop(name, None)
            else:
                request.environment[name] = expand_groups(value, match)
        if request.trace is not None:
            text = ", ".join(name if value is not None else f"!{name}" for name, value in self._source.variables)
            request.trace.note(
                "environment", f"{self._source.attribute} fits {self._source.pattern}: {text}", self._source.position
            )


def _reader(attribute: str) -> Callable[[Request], str]:
    known = _ATTRIBUTES.get(attribute.lower())
    if known is not None:
        return known
    if _HEADER_NAME.fullmatch(attribute):
        lower = attribute.lower()

        def read_header(request: Request) -> str:
            value = request.header(lower)
            # What is no header may be a variable that an earlier line has set.
            return request.environment.get(attribute, "") if value is None else value

        return read_header
    names = compile_pattern(attribute, ignore_case=True)

    def read_headers(request: Request) -> str:
        request.consulted.add("all_headers")
        return next((value for name, value in request.facts.headers.items() if names.search(name)), "")

    return read_headers


def fixed_environment(
    variables: tuple[EnvironmentVariable, ...], process_environment: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return name and value of what `SetEnv` and `PassEnv` set and no later `UnsetEnv` takes away."""
    fixed: dict[str, str] = {}
    for variable in variables:
        value = process_environment.get(variable.name) if variable.from_server else variable.value
        if value is not None:
            fixed[variable.name] = value
        elif not variable.from_server:
            fixed.pop(variable.name, None)
    return tuple(fixed.items())


def may_set(host: Host, name: str) -> bool:
    """Return whether any line of a host's sets a variable for some of its requests."""
    return _sets(host.settings, name) or _rules_set(host.rewrite, name) or _sections_set(host.sections, name)


def _sections_set(sections: tuple[Section, ...], name: str) -> bool:
    return any(_sets(one.settings, name) or _sections_set(one.sections, name) for one in sections)


def _sets(settings: Settings, name: str) -> bool:
    return (
        any(variable.name == name for variable in settings.environment)
        or any(given == name for condition in settings.environment_conditions for given, _ in condition.variables)
        or _rules_set(settings.rewrite, name)
    )


def _rules_set(rewrite: Rewrite | None, name: str) -> bool:
    rules = rewrite.rules if rewrite is not None else ()
    return any(flag.name == "E" and flag.value.partition(":")[0] == name for rule in rules for flag in rule.flags)
