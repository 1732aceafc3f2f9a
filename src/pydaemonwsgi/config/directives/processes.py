"""mod_wsgi's directives about processes and interpreters: groups, Python, what is loaded early. Sans-I/O."""

import re
from collections.abc import Callable
from typing import Any

from pydaemonwsgi.config import values
from pydaemonwsgi.config.apache.words import next_word
from pydaemonwsgi.config.directives.drafts import GroupDraft
from pydaemonwsgi.config.directives.kinds import flag
from pydaemonwsgi.config.directives.row import HOSTS, SERVER, Context, Line, Row, parsed
from pydaemonwsgi.config.directives.words import read_options
from pydaemonwsgi.config.model import ImportScript
from pydaemonwsgi.config.option import Option
from pydaemonwsgi.config.options import OPTIONS
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.config.validation import EXCLUSIVE, PRELOADED_INTERPRETERS
from pydaemonwsgi.config.values import BadValueError, ValueKind

__all__ = ["DAEMON_OPTIONS", "OTHER_DAEMON_OPTIONS", "ROWS"]

DAEMON_OPTIONS: dict[str, Option] = {
    option.daemon_option: option for option in OPTIONS.values() if option.daemon_option is not None
}
"""What `WSGIDaemonProcess` takes, by the name that is written there."""

_SOCKET = "there is no socket file between the front and daemon processes"
OTHER_DAEMON_OPTIONS = {
    name: why
    for name, why in {
        "socket-user": _SOCKET,
        "listen-backlog": f"{_SOCKET}; queue-size bounds the queue",
        "connect-timeout": f"{_SOCKET}; queue-timeout bounds the wait",
        "send-buffer-size": _SOCKET,
        "receive-buffer-size": _SOCKET,
        "header-buffer-size": "response headers may be as long as the channel allows",
        "response-flush-delay": "answers are passed on as they come",
        "response-socket-timeout": "socket-timeout counts for clients",
        "python-eggs": "eggs are history; PYTHON_EGG_CACHE can be set in the script",
        "eviction-timeout": "graceful-timeout counts for every reason",
        "script-user": "scripts are not checked for their owner",
        "script-group": "scripts are not checked for their group",
    }.items()
    if name not in DAEMON_OPTIONS
}
"""mod_wsgi's options that change nothing here, and why."""

# Options that say who may do what: leaving them out would not be noticed before it is too late.
_NOT_YET = frozenset({"script-user", "script-group", "chroot"}) - DAEMON_OPTIONS.keys()
# As mod_wsgi-express writes them where nothing is given; mod_wsgi takes them so.
_NOTHING = {
    **dict.fromkeys(("python_path", "python_eggs", "python_home", "lang", "locale", "display_name"), ""),
    "response_buffer_size": "0",
}
_FLAG = flag()


def _daemon_process(line: Line) -> None:
    name, rest = next_word(line.node.arguments)
    if not name:
        raise BadValueError("the name of the process group is missing")
    if "=" in name:
        raise BadValueError(f"the name of the process group comes first, before {name!r}")
    earlier = line.draft.groups.get(name)
    if earlier is not None:
        raise BadValueError(f"the process group {name!r} is declared already in {earlier.position}; give another name")
    host = None if line.place.is_server else line.place.host
    group = line.draft.groups[name] = GroupDraft(name, {}, host, line.position)
    # Declared it is, whatever is wrong with it: who names it makes no second mistake.
    parsed(values.group_title(), name)
    _, options = read_options(rest, 0, line.warn)
    wrong = []
    for option, value in options:
        try:
            _put(line, group, option, value)
        except BadValueError as error:
            wrong.append(str(error))
    for one, other, why in EXCLUSIVE:
        if group.options.get(one) and group.options.get(other):
            wrong.append(f"{OPTIONS[one].daemon_option}= and {OPTIONS[other].daemon_option}= {why}; give one")
    if group.options.get("preload") and group.options.get("application_groups") == values.INTERPRETERS:
        wrong.append(f"preload= and application-groups=interpreters {PRELOADED_INTERPRETERS}; give one")
    # All of them at once, as everywhere.
    if wrong:
        raise BadValueError("; ".join(wrong))


def _put(line: Line, group: GroupDraft, name: str, text: str) -> None:
    # mod_wsgi's early documents, and the page that this project started from, write maximum_requests.
    spelled = name.replace("_", "-")
    option = DAEMON_OPTIONS.get(spelled)
    if option is not None:
        if option.name in group.options:
            line.warn(f"{name}= is given twice; the last one counts")
            del group.options[option.name]
        if text == _NOTHING.get(option.name):
            return
        try:
            group.options[option.name] = line.value(option.kind or _FLAG, text, f"{name}=")
        except BadValueError as error:
            raise BadValueError(f"{name}={text}: {error}") from None
    elif spelled in _NOT_YET:
        raise BadValueError(f"{name}= is not supported: {OTHER_DAEMON_OPTIONS.get(spelled, 'it is not there yet')}")
    elif spelled in OTHER_DAEMON_OPTIONS:
        line.info(f"{name}= is ignored: {OTHER_DAEMON_OPTIONS[spelled]}")
    else:
        raise BadValueError(f"there is no option {name!r}{nearest(spelled, [*DAEMON_OPTIONS, *OTHER_DAEMON_OPTIONS])}")


def _import_script(line: Line) -> None:
    words, options = read_options(line.node.arguments, 1, line.warn)
    given = dict(options)
    if len(words) != 1 or given.keys() != {"process-group", "application-group"}:
        raise BadValueError(
            "takes a file and both groups: WSGIImportScript FILE process-group=NAME application-group=NAME"
        )
    groups = {name: "" if value == "%{GLOBAL}" else value for name, value in given.items()}
    for name, value in groups.items():
        if value.startswith("%"):
            raise BadValueError(f"{name}: {value!r} is not known before there is a request; give a name or %{{GLOBAL}}")
    script = ImportScript(line.path(words[0]), groups["process-group"], groups["application-group"], line.position)
    line.draft.import_scripts.append((script, line.place.host))


def _python(field: str, kind: ValueKind[Any]) -> Callable[[Line], None]:
    def apply(line: Line) -> None:
        line.draft.python[field] = parsed(kind, line.words[0])

    return apply


def _python_home(line: Line) -> None:
    line.draft.python["home"] = line.path(line.words[0]).rstrip("/") or "/"


def _python_warnings(line: Line) -> None:
    line.draft.python["warnings"] = (*line.draft.python.get("warnings", ()), *line.words)


def _hash_seed(line: Line) -> None:
    word = line.words[0].lower()
    if word != "random" and not (re.fullmatch("[0-9]{1,10}", word) and int(word) < 1 << 32):
        raise BadValueError(f"{line.words[0]!r} is no seed; give random, or a number from 0 to 4294967295")
    line.draft.python["hash_seed"] = word


def _interpreter(field: str, kind: ValueKind[Any]) -> Callable[[Line], None]:
    def apply(line: Line) -> None:
        fields = line.draft.interpreter if line.place.interpreter is None else line.place.interpreter
        fields[field] = parsed(kind, line.words[0])

    return apply


def _free_threading(line: Line) -> None:
    fields = line.draft.interpreter if line.place.interpreter is None else line.place.interpreter
    if "application_group" in fields:
        raise BadValueError(
            "it is for whole processes; take application-group= out of the <WSGIInterpreterOptions> around it"
        )
    fields |= {"free_threading": parsed(_FLAG, line.words[0]), "free_threading_position": line.position}


def _python_path(line: Line) -> None:
    if line.place.interpreter is None:
        line.warn("it counts for embedded mode only; give the process groups python-path= instead")
        line.draft.interpreter["python_path"] = parsed(values.directories(), line.words[0])
        return
    earlier = line.place.interpreter.get("python_path", ())
    line.place.interpreter["python_path"] = (*earlier, *parsed(values.directories(), line.words[0]))


def _seconds() -> ValueKind[float]:
    def parse(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,9})?|\.[0-9]{1,9}", text) or float(text) == 0:
            raise BadValueError("is not a number of seconds above 0")
        return float(text)

    return ValueKind("SECONDS", "a number such as 0.005", parse, repr)


def _server_metrics(line: Line) -> None:
    line.draft.single["server_metrics"] = parsed(_FLAG, line.words[0])


def _slow_requests(line: Line) -> None:
    line.draft.single["slow_requests"] = line.value(values.duration(), line.words[0])


_INTERPRETER = SERVER | frozenset({Context.INTERPRETER})

ROWS = (
    Row(
        "WSGIDaemonProcess",
        HOSTS,
        "NAME [OPTION=VALUE ...]",
        "Declares a process group. Its options are those of `pydaemonwsgi serve` that concern a group, "
        "without the dashes in front. One that is declared in a virtual host is for hosts of that ServerName only.",
        _daemon_process,
        raw=True,
    ),
    Row(
        "WSGIImportScript",
        HOSTS,
        "FILE process-group=NAME application-group=NAME",
        "Loads a script in every process of a group before the first request.",
        _import_script,
        raw=True,
    ),
    Row("WSGIPythonHome", SERVER, "DIRECTORY", "The virtual environment of groups without python-home.", _python_home),
    Row(
        "WSGIPythonPath",
        _INTERPRETER,
        "DIRECTORY[:DIRECTORY ...]",
        "Directories to search for modules; outside of `<WSGIInterpreterOptions>` for embedded mode only.",
        _python_path,
    ),
    Row(
        "WSGIPythonOptimize",
        SERVER,
        "0|1|2",
        "Python's -O.",
        _python("optimize", values.whole_number(0, 2)),
        "Python's own",
    ),
    Row(
        "WSGIDontWriteBytecode",
        SERVER,
        "On|Off",
        "Whether Python leaves .pyc files alone.",
        _python("dont_write_bytecode", _FLAG),
        "Off",
    ),
    Row("WSGIPythonWarnings", SERVER, "FILTER ...", "Python's -W; several add up.", _python_warnings),
    Row("WSGIPythonHashSeed", SERVER, "random|N", "PYTHONHASHSEED.", _hash_seed, "random"),
    Row(
        "WSGIDestroyInterpreter",
        SERVER,
        "On|Off",
        "Whether the interpreter is taken down in order when a process ends.",
        _python("destroy_interpreter", _FLAG),
        "On",
    ),
    Row(
        "WSGICaseSensitivity",
        SERVER,
        "On|Off",
        "Whether the case of file names counts; if not, `%{RESOURCE}` is in lower case.",
        _python("case_sensitive", _FLAG),
        "On",
    ),
    Row(
        "<WSGIInterpreterOptions>",
        SERVER,
        "[process-group=NAME] [application-group=NAME]",
        "Options for the interpreters of some groups; a block that names more of the two wins.",
        raw=True,
    ),
    Row(
        "WSGISwitchInterval",
        _INTERPRETER,
        "SECONDS",
        "sys.setswitchinterval; switch-interval of the group wins.",
        _interpreter("switch_interval", _seconds()),
        "Python's own",
    ),
    Row(
        "WSGIPerInterpreterGIL",
        _INTERPRETER,
        "On|Off",
        "Whether a sub-interpreter has a GIL of its own, which some extension modules refuse; with "
        "application-groups=interpreters only, for processes have their own in any case.",
        _interpreter("per_interpreter_gil", _FLAG),
        "Off",
    ),
    Row(
        "WSGIFreeThreading",
        _INTERPRETER,
        "On|Off",
        "Whether a free-threaded Python goes without its GIL (`-X gil=0`) or with it (`-X gil=1`); any other has it. "
        "Not in a block with application-group=.",
        _free_threading,
        "Off, unless PYTHON_GIL says otherwise",
    ),
    Row(
        "WSGISlowRequests",
        SERVER,
        "SECONDS",
        "Requests that waited and ran for so long are logged; slow-requests of the group wins, 0 is none.",
        _slow_requests,
        "none",
    ),
    Row(
        "WSGIServerMetrics",
        SERVER,
        "On|Off",
        "Whether applications may ask what every process of the server does, and for whom "
        "(`mod_wsgi.server_metrics()`); those of groups with server-metrics=On may in any case.",
        _server_metrics,
        "Off",
    ),
    Row(
        "WSGIRestrictStdin",
        _INTERPRETER,
        "On|Off",
        "Whether reading sys.stdin is an error.",
        _interpreter("restrict_stdin", _FLAG),
        "Off",
    ),
    Row(
        "WSGIRestrictStdout",
        _INTERPRETER,
        "On|Off",
        "Whether writing to sys.stdout is an error.",
        _interpreter("restrict_stdout", _FLAG),
        "Off",
    ),
    Row(
        "WSGIRestrictSignal",
        _INTERPRETER,
        "On|Off",
        "Whether signal.signal does nothing; Off here leaves it alone but for the server's own signals.",
        _interpreter("restrict_signal", _FLAG),
        "On",
    ),
)
