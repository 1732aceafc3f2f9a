"""mod_wsgi's directives: which script runs for a request, in which group, and how. Sans-I/O."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from pydaemonwsgi.config import values
from pydaemonwsgi.config.directives.files import check_url_path
from pydaemonwsgi.config.directives.kinds import choice, flag
from pydaemonwsgi.config.directives.rewriting import check_pattern
from pydaemonwsgi.config.directives.row import ANYWHERE, HOSTS, SECTIONS, Line, Row, parsed, setting
from pydaemonwsgi.config.directives.words import read_options
from pydaemonwsgi.config.model import UNIX_PEERS, HandlerScript, Script, ScriptAlias
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.config.values import BadValueError, ValueKind

__all__ = ["ROWS", "group_name"]

_FORM = re.compile(r"%\{(GLOBAL|SERVER|RESOURCE|HOST|ENV:[^{}]+)\}")

TRUSTED_HEADERS = (
    "X-Forwarded-For", "X-Client-IP", "X-Real-IP",
    "X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-Forwarded-Port",
    "X-Script-Name", "X-Forwarded-Script-Name",
    "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Scheme",
    "X-Forwarded-HTTPS", "X-Forwarded-SSL", "X-HTTPS",
)  # fmt: skip
"""What WSGITrustedProxyHeaders may name (reference 2.7)."""


def _form(word: str) -> str:
    if not word:
        raise BadValueError("is empty; %{GLOBAL} is the main one")
    if word.startswith("%") and not _FORM.fullmatch(word):
        raise BadValueError("is a form that is not known")
    return "" if word == "%{GLOBAL}" else word


def group_name() -> ValueKind[str]:
    """A group's name or a form such as `%{ENV:NAME}`; `%{GLOBAL}` is read as ""."""
    accepted = "a name, or one of %{GLOBAL}, %{SERVER}, %{RESOURCE}, %{HOST} and %{ENV:NAME}, with nothing around it"
    return ValueKind("NAME", accepted, _form, lambda value: value or "%{GLOBAL}")


def _callable() -> ValueKind[str]:
    def parse(word: str) -> str:
        if re.fullmatch(r"%\{ENV:[^{}]+\}", word) or values.is_callable_name(word):
            return word
        raise BadValueError("is not a Python name")

    return ValueKind("NAME", "the name of an object in the script, or %{ENV:NAME}", parse, str)


_FLAG = flag()
_GROUP = group_name()
_CALLABLE = _callable()
_ALIAS_OPTIONS: dict[str, ValueKind[Any]] = {
    "process-group": _GROUP,
    "application-group": _GROUP,
    "callable-object": values.callable_name(),
    "pass-authorization": _FLAG,
}


def _script_alias(line: Line) -> None:
    is_regex = line.row.name.endswith("Match")
    words, options = read_options(line.node.arguments, 2, line.warn)
    if len(words) < 2:
        raise BadValueError(f"takes two arguments, and options: {line.row.name} {line.row.usage}")
    url, target = words
    if is_regex:
        check_pattern(url)
        if not url.startswith("^"):
            line.warn(f"the pattern {url!r} is found anywhere in a path; begin it with ^ if that is not meant")
    else:
        check_url_path(url, "WSGIScriptAlias")
    path = _module(target) if target.startswith("module:") else line.path(target)
    if not is_regex and url != "/" and url.endswith("/") and not path.endswith("/"):
        line.warn(f"{url}x is looked for in {path}x; write both with a slash (a directory), or neither (a script)")
    given = _options(options, tuple(_ALIAS_OPTIONS))
    alias = ScriptAlias(url, path, is_regex, **given, position=line.position)
    line.place.host.lists["script_aliases"].append(alias)
    groups = (alias.process_group, alias.application_group)
    is_static = all(group is not None and not group.startswith("%") for group in groups)
    if is_static and not (is_regex and "$" in target):
        line.draft.preloads.append((alias, line.place.host))


def _module(target: str) -> str:
    """A module instead of a file, as SCRIPT on the command line may be one."""
    if not values.is_callable_name(target.removeprefix("module:")):
        raise BadValueError(f"{target!r} names no module; give module:package.name")
    return target


def _options(given: list[tuple[str, str]], allowed: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given:
        if name not in allowed:
            known = "; it has " + " ".join(f"{option}=" for option in allowed)
            raise BadValueError(f"there is no option {name!r}{nearest(name, allowed) or known}")
        try:
            found[name.replace("-", "_")] = parsed(_ALIAS_OPTIONS[name], value)
        except BadValueError as error:
            raise BadValueError(f"{name}: {error}") from None
    return found


def _script(field: str) -> Callable[[Line], None]:
    def apply(line: Line) -> None:
        words, options = read_options(line.node.arguments, 1, line.warn)
        if len(words) != 1:
            raise BadValueError(f"takes a file name: {line.row.name} {line.row.usage}")
        group = _options(options, ("application-group",)).get("application_group", "")
        if group.startswith(("%{RESOURCE}", "%{ENV:")):
            raise BadValueError(
                f"application-group: {group!r} cannot be known here; give %{{GLOBAL}}, %{{SERVER}} or %{{HOST}}"
            )
        line.place.settings.put(field, Script(line.path(words[0]), group, line.position), line.position)

    return apply


def _handler_script(line: Line) -> None:
    words, options = read_options(line.node.arguments, 2, line.warn)
    if len(words) != 2:
        raise BadValueError(f"takes a name and a file name: {line.row.name} {line.row.usage}")
    if words[0].lower() in ("wsgi-script", "none"):
        raise BadValueError(f"{words[0]!r} is a handler already; give another name")
    given = _options(options, ("process-group", "application-group", "pass-authorization"))
    handler = HandlerScript(words[0].lower(), line.path(words[1]), **given, position=line.position)
    line.place.settings.lists["handler_scripts"].append(handler)


def _restrict_process(line: Line) -> None:
    names = frozenset("" if word == "%{GLOBAL}" else word for word in line.words)
    line.place.settings.put("restrict_process", names, line.position)


def _trusted_headers(line: Line) -> None:
    known = {name.lower(): name for name in TRUSTED_HEADERS}
    for word in line.words:
        if word.lower().replace("_", "-") not in known:
            known_names = f"; give one of {', '.join(TRUSTED_HEADERS)}"
            raise BadValueError(f"{word!r} is no header that is known{nearest(word, TRUSTED_HEADERS) or known_names}")
    keys = tuple("HTTP_" + word.upper().replace("-", "_") for word in line.words)
    earlier = line.place.settings.single.get("trusted_proxy_headers", ())
    line.place.settings.put("trusted_proxy_headers", (*earlier, *keys), line.position)


def _trusted_proxies(line: Line) -> None:
    found = []
    for word in line.words:
        if word.lower() == UNIX_PEERS:
            found.append(UNIX_PEERS)
            continue
        try:
            found.append(str(ipaddress.ip_network(word, strict=False) if "/" in word else ipaddress.ip_address(word)))
        except ValueError:
            raise BadValueError(
                f"{word!r} is neither an IP address nor a network such as 10.0.0.0/8; "
                f"{UNIX_PEERS} is who comes by a Unix socket"
            ) from None
    earlier = line.place.settings.single.get("trusted_proxies", ())
    line.place.settings.put("trusted_proxies", (*earlier, *found), line.position)


_OPTIONS_USAGE = "[process-group=NAME] [application-group=NAME] [callable-object=NAME] [pass-authorization=On|Off]"

ROWS = (
    Row(
        "WSGIScriptAlias",
        HOSTS,
        f"URL-PATH FILE {_OPTIONS_USAGE}",
        "Runs a script, or the scripts of a directory, for an URL path; the first that fits counts. With both groups "
        "named, the script is loaded before the first request. FILE may be `module:package.name`.",
        _script_alias,
        raw=True,
    ),
    Row(
        "WSGIScriptAliasMatch",
        HOSTS,
        f"PATTERN FILE {_OPTIONS_USAGE}",
        "WSGIScriptAlias with a regular expression; `$1` in the file name is what its first group found.",
        _script_alias,
        raw=True,
    ),
    setting(
        "WSGIProcessGroup",
        ANYWHERE,
        "process_group",
        _GROUP,
        "The process group that runs the scripts; `%{GLOBAL}` is the one that stands in for embedded mode.",
        default="%{GLOBAL}",
    ),
    setting(
        "WSGIApplicationGroup",
        ANYWHERE,
        "application_group",
        _GROUP,
        "The interpreter that scripts run in; scripts with the same one see each other's modules.",
        default="%{RESOURCE}",
    ),
    setting(
        "WSGICallableObject",
        ANYWHERE,
        "callable_object",
        _CALLABLE,
        "The name of the application in the script.",
        default="application",
    ),
    Row(
        "WSGIRestrictProcess",
        ANYWHERE,
        "NAME ...",
        "The only process groups that requests may go to; others are answered with 500.",
        _restrict_process,
        "no restriction",
    ),
    Row(
        "WSGIDispatchScript",
        ANYWHERE,
        "FILE [application-group=NAME]",
        "A script whose functions process_group, application_group and callable_object route each request.",
        _script("dispatch_script"),
        raw=True,
    ),
    Row(
        "WSGIHandlerScript",
        ANYWHERE,
        "NAME FILE [process-group=NAME] [application-group=NAME] [pass-authorization=On|Off]",
        "A handler for SetHandler and AddHandler: the script's handle_request answers for the files.",
        _handler_script,
        raw=True,
    ),
    Row(
        "WSGIAccessScript",
        SECTIONS,
        "FILE [application-group=NAME]",
        "A script whose allow_access(environ, host) says who may have the resource.",
        _script("access_script"),
        raw=True,
    ),
    setting(
        "WSGIPassAuthorization",
        ANYWHERE,
        "pass_authorization",
        _FLAG,
        "Whether the application sees the Authorization header.",
        default="On",
    ),
    setting(
        "WSGIScriptReloading",
        ANYWHERE,
        "script_reloading",
        _FLAG,
        "Whether a script that has changed is loaded anew.",
        default="On",
    ),
    setting(
        "WSGIReloadMechanism",
        ANYWHERE,
        "reload_mechanism",
        choice("Process", "Module", "Interpreter"),
        "How a script that has changed is loaded anew: by a new process, always (mod_wsgi 1.x and 2.x).",
        default="Process",
    ),
    setting(
        "WSGIErrorOverride",
        ANYWHERE,
        "error_override",
        _FLAG,
        "Whether the server's ErrorDocument replaces the application's own error pages.",
        default="Off",
    ),
    setting(
        "WSGIChunkedRequest",
        ANYWHERE,
        "chunked_request",
        _FLAG,
        "Whether request bodies of unknown length are accepted; otherwise 411.",
        default="On",
    ),
    setting(
        "WSGIMapHEADToGET",
        ANYWHERE,
        "map_head_to_get",
        choice("Auto", "On", "Off"),
        "Whether the application sees GET instead of HEAD.",
        default="Auto: as Off",
    ),
    setting(
        "WSGIIgnoreActivity",
        ANYWHERE,
        "ignore_activity",
        _FLAG,
        "Whether requests leave inactivity-timeout alone.",
        default="Off",
    ),
    Row(
        "WSGITrustedProxyHeaders",
        ANYWHERE,
        "HEADER ...",
        f"Headers that a proxy in front may set for the client: {', '.join(TRUSTED_HEADERS)}.",
        _trusted_headers,
        "none",
    ),
    Row(
        "WSGITrustedProxies",
        ANYWHERE,
        "ADDRESS ...",
        "The addresses and networks of proxies whose headers count, unix: for whoever comes by a Unix socket; "
        "those of everybody else are taken away.",
        _trusted_proxies,
        "everybody, if WSGITrustedProxyHeaders is given",
    ),
)
