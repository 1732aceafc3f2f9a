"""Directives that change a request or its answer: variables, headers, error pages. Sans-I/O."""

import re
from http import HTTPStatus

from pydaemonwsgi.config.directives.rewriting import check_pattern
from pydaemonwsgi.config.directives.row import ANYWHERE, Line, Row
from pydaemonwsgi.config.model import EnvironmentCondition, EnvironmentVariable, ErrorDocument, HeaderRule
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.config.values import BadValueError

__all__ = ["ROWS"]

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ACTIONS = {
    # the words after the header's name: how many at least and at most, apart from the condition
    "set": (1, 1), "append": (1, 1), "merge": (1, 1), "add": (1, 1), "setifempty": (1, 1), "note": (1, 1),
    "edit": (2, 2), "edit*": (2, 2), "unset": (0, 0), "echo": (0, 0),
}  # fmt: skip
_OF_OLD_CLIENTS = frozenset({"downgrade-1.0", "force-response-1.0"})
_ONLY_ANSWERS = ("echo", "note")


def _variable_name(name: str) -> str:
    if not name or "=" in name or not name.isprintable():
        raise BadValueError(f"{name!r} is no name for a variable")
    return name


def _set_env(line: Line) -> None:
    variable = EnvironmentVariable(_variable_name(line.words[0]), line.word(1) or "", position=line.position)
    line.place.settings.lists["environment"].append(variable)


def _unset_env(line: Line) -> None:
    line.place.settings.lists["environment"] += [
        EnvironmentVariable(_variable_name(name), None, position=line.position) for name in line.words
    ]


def _pass_env(line: Line) -> None:
    line.place.settings.lists["environment"] += [
        EnvironmentVariable(_variable_name(name), None, from_server=True, position=line.position) for name in line.words
    ]


def _variables(words: list[str]) -> tuple[tuple[str, str | None], ...]:
    found: list[tuple[str, str | None]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if name.startswith("!"):
            found.append((_variable_name(name[1:]), None))
        else:
            found.append((_variable_name(name), value if equals else "1"))
    return tuple(found)


def _set_env_if(line: Line) -> None:
    ignore_case = "NoCase" in line.row.name
    words = ["User-Agent", *line.words] if line.row.name.startswith("BrowserMatch") else line.words
    attribute, pattern, *variables = words
    if attribute.upper().startswith("OID("):
        raise BadValueError("extensions of client certificates are not known here: there is no TLS")
    if not _TOKEN.fullmatch(attribute):
        check_pattern(attribute)
    check_pattern(pattern, ignore_case=ignore_case)
    given = _variables(variables)
    for name, _ in given:
        if name in _OF_OLD_CLIENTS:
            line.info(f"{name} is without effect: there are no clients any more that take no HTTP/1.1")
    rule = EnvironmentCondition(attribute, pattern, given, ignore_case, line.position)
    line.place.settings.lists["environment_conditions"].append(rule)


def _header(line: Line) -> None:
    words = list(line.words)
    of_request = line.row.name == "RequestHeader"
    always = False
    if not of_request and words[0].lower() in ("always", "onsuccess"):
        always = words.pop(0).lower() == "always"
    action = words.pop(0).lower() if words else ""
    if action not in _ACTIONS or (of_request and action in _ONLY_ANSWERS):
        names = [name for name in _ACTIONS if not (of_request and name in _ONLY_ANSWERS)]
        raise BadValueError(f"there is no action {action!r}{nearest(action, names)}; give one of {', '.join(names)}")
    name = words.pop(0).removesuffix(":") if words else ""
    if action == "echo":
        check_pattern(name, ignore_case=True)
    elif not _TOKEN.fullmatch(name):
        raise BadValueError(f"{name!r} is no name of a header")
    amount = _ACTIONS[action][0]
    if len(words) < amount or len(words) > amount + 1:
        takes = {0: "no value", 1: "one value", 2: "a pattern and a replacement"}[amount]
        raise BadValueError(f"{action} takes {takes}, and perhaps env=NAME; quote values with blanks")
    values, rest = words[:amount], words[amount:]
    condition = None
    if rest and rest[0].lower() == "early":
        line.info("early is without effect: headers are changed just before the request is run")
    elif rest:
        kind, equals, condition = rest[0].partition("=")
        if kind.lower() == "expr":
            raise BadValueError("expressions are not supported; write SetEnvIf, and env= with its variable")
        if kind.lower() != "env" or not equals or condition in ("", "!"):
            raise BadValueError(f"{rest[0]!r} is no condition; give env=NAME or env=!NAME, or quote the value")
    if values and values[-1].startswith("expr="):
        raise BadValueError("expressions are not supported; give a text, in which %{NAME}e is a variable (SetEnvIf)")
    if action.startswith("edit"):
        check_pattern(values[0])
    else:
        _check_header_format(values[0] if values else "")
    value, replacement = (*values, "", "")[:2]
    rule = HeaderRule(of_request, action, name, value, replacement, always, condition, line.position)
    line.place.settings.lists["headers"].append(rule)


def _check_header_format(text: str) -> None:
    for item in re.findall(r"%(?:\{[^}]+\}[es]|\{[^}]*\}?.?|.?)", text, re.DOTALL):
        if not re.fullmatch(r"%(?:[%tDlib]|\{[^}]+\}[es])", item):
            advice = "give %t, %D, %{NAME}e, %{NAME}s, or %% for a %"
            raise BadValueError(f"{item!r} is no item of a header's value; {advice}")


def _error_document(line: Line) -> None:
    if not re.fullmatch("[1-5][0-9]{2}", line.words[0]):
        raise BadValueError(f"{line.words[0]!r} is no status of an error; give 400 to 599")
    status = int(line.words[0])
    if status < 400:
        page = ": a redirect has the server's own page" if status >= 300 else "; give 400 to 599"
        line.warn(f"{status} is no error, so it has no effect{page}")
        return
    if status not in {known.value for known in HTTPStatus} | {509}:
        line.warn(f"{status} is a status that nothing here sends")
    target = line.words[1]
    if target.lower() == "default":
        document = ErrorDocument(status, "default", position=line.position)
    elif target.startswith("/"):
        document = ErrorDocument(status, "path", target, line.position)
    elif re.match(r"https?://", target, re.IGNORECASE):
        if status == 401:
            why = "the client would never be asked for a password; give a text or an URL path"
            line.warn(f"a URL is ignored for 401, as by httpd: {why}")
            return
        document = ErrorDocument(status, "url", target, line.position)
    else:
        document = ErrorDocument(status, "text", target, line.position)
    line.place.settings.lists["error_documents"].append(document)


ROWS = (
    Row("SetEnv", ANYWHERE, "NAME [VALUE]", "Sets a variable in the request's environ.", _set_env),
    Row("UnsetEnv", ANYWHERE, "NAME ...", "Takes variables out of the environ again.", _unset_env),
    Row("PassEnv", ANYWHERE, "NAME ...", "Copies variables from the server's own environment.", _pass_env),
    Row(
        "SetEnvIf",
        ANYWHERE,
        "ATTRIBUTE PATTERN [!]NAME[=VALUE] ...",
        "Sets variables if a header or another attribute of the request fits; `!NAME` takes one away. "
        "`nokeepalive` ends the connection with the answer.",
        _set_env_if,
    ),
    Row("SetEnvIfNoCase", ANYWHERE, "ATTRIBUTE PATTERN [!]NAME[=VALUE] ...", "SetEnvIf without case.", _set_env_if),
    Row(
        "BrowserMatch",
        ANYWHERE,
        "PATTERN [!]NAME[=VALUE] ...",
        "SetEnvIf for User-Agent.",
        _set_env_if,
    ),
    Row("BrowserMatchNoCase", ANYWHERE, "PATTERN [!]NAME[=VALUE] ...", "BrowserMatch without case.", _set_env_if),
    Row(
        "Header",
        ANYWHERE,
        "[always|onsuccess] ACTION [NAME] [VALUE] [REPLACEMENT] [env=[!]NAME]",
        "Changes headers of the answer: set, append, merge, add, setifempty, unset, edit, edit*, echo, note.",
        _header,
    ),
    Row(
        "RequestHeader",
        ANYWHERE,
        "ACTION NAME [VALUE] [REPLACEMENT] [env=[!]NAME]",
        "Changes headers of the request: set, append, merge, add, setifempty, unset, edit, edit*.",
        _header,
    ),
    Row(
        "ErrorDocument",
        ANYWHERE,
        "STATUS DOCUMENT",
        "What is answered instead of the server's own error page: a text, an URL path, a URL, or `default`.",
        _error_document,
    ),
)
