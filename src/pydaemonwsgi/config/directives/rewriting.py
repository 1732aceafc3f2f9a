"""Directives of mod_rewrite. Sans-I/O.

RewriteCond and RewriteRule have a syntax of their own, in which a backslash is never taken away (but one before a
blank keeps the argument together), so that regular expressions need no doubling.
"""

import re

from pydaemonwsgi.config.apache.words import BLANKS
from pydaemonwsgi.config.directives.kinds import flag
from pydaemonwsgi.config.directives.row import ANYWHERE, HOSTS, SECTIONS, Line, Row, parsed
from pydaemonwsgi.config.model import RewriteCondition, RewriteFlag, RewriteMap, RewriteRule
from pydaemonwsgi.config.patterns import compile_pattern
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.config.values import BadValueError
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["ROWS", "check_pattern"]

# RewriteRule's flags in short, and every name that each has.
_FLAGS = {
    "B": ("b",), "BNP": ("bnp", "backrefnoplus"), "C": ("c", "chain"), "CO": ("co", "cookie"),
    "DPI": ("dpi", "discardpath"), "E": ("e", "env"), "END": ("end",), "F": ("f", "forbidden"), "G": ("g", "gone"),
    "H": ("h", "handler"), "L": ("l", "last"), "N": ("n", "next"), "NC": ("nc", "nocase"), "NE": ("ne", "noescape"),
    "NS": ("ns", "nosubreq"), "P": ("p", "proxy"), "PT": ("pt", "passthrough"), "QSA": ("qsa", "qsappend"),
    "QSD": ("qsd", "qsdiscard"), "QSL": ("qsl", "qslast"), "R": ("r", "redirect"), "S": ("s", "skip"),
    "T": ("t", "type"), "UNC": ("unc",), "UNSAFEALLOW3F": ("unsafeallow3f",),
    "UNSAFEPREFIXSTAT": ("unsafeprefixstat", "unsafeprefixstats"),
}  # fmt: skip
_FLAG_NAMES = {name: short for short, names in _FLAGS.items() for name in names}
_UNSUPPORTED = {
    "P": "there is no proxy here; let nginx or HAProxy in front of the server route this URL",
}
_REDIRECTS = {"permanent": 301, "temp": 302, "seeother": 303}
_CONDITION_FLAGS = {"nc": "nc", "nocase": "nc", "or": "or", "ornext": "or", "nv": "nv", "novary": "nv"}
_FILE_TESTS = frozenset("-d -f -F -h -L -l -s -U -x".split())
_NUMBER_TESTS = frozenset("-eq -ge -gt -le -lt -ne".split())
_OPTIONS = frozenset(
    """
    inherit inheritbefore inheritdown inheritdownbefore ignoreinherit allownoslash mergebase ignorecontextinfo
    legacyprefixdocroot unsafeprefixstat unsafeallow3f allowanyuri longurloptimization
    """.split()
)
_OBEYED_OPTIONS = frozenset(
    {"inherit", "inheritbefore", "inheritdown", "inheritdownbefore", "ignoreinherit", "mergebase"}
)


def check_pattern(text: str, *, ignore_case: bool = False) -> None:
    """Refuse a regular expression that does not compile.

    Raises:
        BadValueError: with a whole sentence.
    """
    try:
        compile_pattern(text, ignore_case=ignore_case)
    except ConfigurationError as error:
        raise BadValueError(str(error)) from None


def _arguments(line: Line) -> list[str]:
    """Two or three arguments, split as mod_rewrite does it."""
    rest = line.node.arguments.strip(BLANKS)
    found: list[str] = []
    while rest and len(found) < 3:
        if rest[0] in "\"'":
            match = re.compile(rf"{rest[0]}((?:\\[ \t\n\v\f\r]|[^{rest[0]}])*){rest[0]}?", re.DOTALL).match(rest)
        else:
            match = re.compile(r"((?:\\[ \t\n\v\f\r]|[^ \t\n\v\f\r])*)").match(rest)
        assert match is not None, "both patterns match whatever comes"
        found.append(match[1])
        rest = rest[match.end() :].lstrip(BLANKS)
    if len(found) < 2 or rest:
        raise BadValueError(f"takes two or three arguments: {line.row.name} {line.row.usage}")
    return found


def _flag_texts(text: str | None) -> list[str]:
    if text is None:
        return []
    if not (text.startswith("[") and text.endswith("]")):
        raise BadValueError(f"the flags {text!r} do not stand in brackets without blanks, like [L,QSA]")
    return [part.strip(BLANKS) for part in text[1:-1].split(",") if part.strip(BLANKS)]


_VARIABLE = re.compile(r"(?P<escaped>\\.)|%\{(?P<name>[^{}]*)\}", re.DOTALL)
# Headers and the like, which nobody can enumerate, and what is refused by name.
_OPEN_NAMES = ("HTTP:", "ENV:", "SSL:", "LA-U:", "LA-F:")
_REFUSED_NAMES = frozenset({"SCRIPT_USER", "SCRIPT_GROUP"})


def _without_unknown(line: Line, text: str) -> str:
    """Leave out variables that there are not: they are empty, as under httpd, and whoever wrote them is told."""

    def known(match: "re.Match[str]") -> str:
        name = match["name"]
        if name is None or line.draft.variables is None:
            return match[0]
        upper = name.upper()
        if upper in line.draft.variables or upper in _REFUSED_NAMES or upper.startswith(_OPEN_NAMES):
            return match[0]
        if upper.startswith("HTTP_"):
            header = upper.removeprefix("HTTP_").replace("_", "-").title()
            hint = f"; for the header write %{{HTTP:{header}}}"
        else:
            meant = f"; for a header write %{{HTTP:Name}}, for an environment variable %{{ENV:{name}}}"
            hint = nearest(name, line.draft.variables) or meant
        line.warn(f"there is no variable %{{{name}}}, so it is empty, as under httpd{hint}")
        return ""

    return _VARIABLE.sub(known, text)


def _condition(line: Line) -> None:
    test, pattern, *flags = _arguments(line)
    names = set()
    for text in _flag_texts(flags[0] if flags else None):
        if text.lower() not in _CONDITION_FLAGS:
            raise BadValueError(f"there is no flag {text!r}; give NC, OR or NV")
        names.add(_CONDITION_FLAGS[text.lower()])
    negated = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    ignore_case = "nc" in names
    if test.strip().lower() == "expr":
        raise BadValueError("expressions (RewriteCond expr …) are not supported; use a server variable and a pattern")
    _check_condition(pattern, ignore_case=ignore_case)
    test = _without_unknown(line, test)
    draft = line.place.settings.rewrite
    draft.position = draft.position or line.position
    draft.conditions.append(
        RewriteCondition(test, pattern, negated, ignore_case, "or" in names, line.position, "nv" not in names)
    )


def _check_condition(pattern: str, *, ignore_case: bool) -> None:
    if pattern in _FILE_TESTS or pattern[:1] in ("<", ">", "="):
        return
    if pattern[:3] in _NUMBER_TESTS:
        return
    check_pattern(pattern, ignore_case=ignore_case)


def _flag(text: str) -> RewriteFlag:
    name, equals, value = text.partition("=")
    short = _FLAG_NAMES.get(name.lower())
    if short is None:
        hint = nearest(name, _FLAG_NAMES) or f"; there are {', '.join(sorted(_FLAGS.keys() - _UNSUPPORTED.keys()))}"
        raise BadValueError(f"there is no flag {text!r}{hint}")
    if short in _UNSUPPORTED:
        raise BadValueError(f"flag {text!r}: {_UNSUPPORTED[short]}")
    if short == "R":
        status = _REDIRECTS.get(value.lower(), int(value) if re.fullmatch("[1-9][0-9]{2}", value) else 0)
        if equals and not 300 <= status < 600:
            raise BadValueError(
                f"flag {text!r}: {value!r} is not a status from 300 to 599, permanent, temp or seeother"
            )
        return RewriteFlag("R", str(status or 302))
    if short in ("S", "N") and value:
        if not re.fullmatch("[0-9]{1,6}", value):
            raise BadValueError(f"flag {text!r}: {value!r} is not a number")
    elif short in ("CO", "E", "H", "T") and not value:
        raise BadValueError(f"flag {text!r}: a value must follow, like {short}=…")
    elif short not in ("S", "N", "CO", "E", "H", "T", "B") and equals:
        raise BadValueError(f"flag {text!r} takes no value")
    if short == "S" and not value:
        raise BadValueError(f"flag {text!r}: how many rules? give {name}=1")
    return RewriteFlag(short, value)


def _rule(line: Line) -> None:
    draft = line.place.settings.rewrite
    # Whatever becomes of the rule, they were meant for it.
    conditions = tuple(draft.conditions)
    draft.conditions.clear()
    pattern, substitution, *rest = _arguments(line)
    flags = tuple(_flag(text) for text in _flag_texts(rest[0] if rest else None))
    negated = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    check_pattern(pattern, ignore_case=any(given.name == "NC" for given in flags))
    if negated and re.search(r"\$[0-9]", substitution):
        line.warn("$1 and its like are empty in a rule whose pattern is negated")
    substitution = _without_unknown(line, substitution)
    flags = tuple(RewriteFlag(given.name, _without_unknown(line, given.value)) for given in flags)
    draft.position = draft.position or line.position
    draft.rules.append(RewriteRule(pattern, substitution, negated, flags, conditions, line.position))


def _engine(line: Line) -> None:
    draft = line.place.settings.rewrite
    draft.position = draft.position or line.position
    draft.engine = parsed(flag(), line.words[0])


def _base(line: Line) -> None:
    if not line.words[0].startswith("/"):
        raise BadValueError(f"{line.words[0]!r} is no URL path; it must begin with /")
    draft = line.place.settings.rewrite
    draft.position = draft.position or line.position
    draft.base = line.words[0]


def _options(line: Line) -> None:
    draft = line.place.settings.rewrite
    draft.position = draft.position or line.position
    for word in line.words:
        name = word.lower()
        if name.partition("=")[0] in ("maxredirects", "longurloptimization"):
            continue
        if name not in _OPTIONS:
            raise BadValueError(f"there is no option {word!r}{nearest(word, _OPTIONS)}")
        if name not in _OBEYED_OPTIONS:
            line.info(f"{word} is without effect here")
        draft.options.add(name)


_MAP_FUNCTIONS = ("tolower", "toupper", "escape", "unescape")
_FILE_MAPS = ("txt", "rnd")
_UNKNOWN_MAPS = {
    "prg": "no programs are run for rules; write a txt: file, or let the application redirect",
    "dbm": "write its keys and values into a txt: file",
    "dbd": "there are no databases here; write a txt: file, or let the application redirect",
    "fastdbd": "there are no databases here; write a txt: file, or let the application redirect",
}


def _map(line: Line) -> None:
    name, source = line.words[:2]
    if not re.fullmatch(r"[^:|{}$%\s]+", name):
        raise BadValueError(f"{name!r} cannot be a map's name, for ${{{name}:KEY}} could not be read")
    kind, colon, value = source.partition(":")
    kind = kind.lower() if colon and not source.startswith("/") else ""
    kind = kind.partition("=")[0]
    if kind in _UNKNOWN_MAPS:
        raise BadValueError(f"{kind}: maps are not supported; {_UNKNOWN_MAPS[kind]}")
    if kind == "int":
        if value not in _MAP_FUNCTIONS:
            known = ", ".join(_MAP_FUNCTIONS)
            raise BadValueError(f"there is no function {value!r}{nearest(value, _MAP_FUNCTIONS)}; give one of {known}")
    elif kind in _FILE_MAPS and value:
        value = line.path(value)
    elif kind == "" and source.startswith("/"):
        kind, value = "txt", line.path(source)  # as in httpd
    else:
        raise BadValueError(f"{source!r} is none of txt:FILE, rnd:FILE and int:FUNCTION")
    if len(line.words) > 2:
        line.info(f"{line.words[2]!r} is without effect here")
    maps = line.place.host.lists["rewrite_maps"]
    # The last of a name counts; of the main server's those that the host has not.
    maps[:] = [one for one in maps if one.name != name]
    maps.append(RewriteMap(name, kind, value, line.position))


ROWS = (
    Row("RewriteEngine", ANYWHERE, "On|Off", "Whether the rules of this context are used.", _engine, "Off"),
    Row(
        "RewriteCond",
        ANYWHERE,
        "TEST PATTERN [FLAGS]",
        "A condition of the next rule: a regular expression, a comparison, or a test of a file such as -f. "
        "Flags: NC, OR, NV.",
        _condition,
        raw=True,
    ),
    Row(
        "RewriteRule",
        ANYWHERE,
        "PATTERN SUBSTITUTION [FLAGS]",
        "Rewrites an URL path. Flags: B, BNP, C, DPI, E, END, F, G, L, N, NC, NE, NS, PT, QSA, QSD, QSL, R, S, T.",
        _rule,
        raw=True,
    ),
    Row(
        "RewriteBase",
        SECTIONS,
        "URL-PATH",
        "What relative substitutions in a `<Directory>` are completed with.",
        _base,
        "the directory's own URL path",
    ),
    Row(
        "RewriteMap",
        HOSTS,
        "NAME KIND:SOURCE [OPTIONS]",
        "What `${NAME:KEY|DEFAULT}` in rules and conditions looks up: `txt:FILE` (a key and a value in each line, read "
        "again when it has changed), `rnd:FILE` (values with `|` between alternatives), `int:tolower`, `int:toupper`, "
        "`int:escape`, `int:unescape`.",
        _map,
    ),
    Row(
        "RewriteOptions",
        ANYWHERE,
        "OPTION ...",
        "Inherit or InheritBefore: use the outer rules too. InheritDown or InheritDownBefore: give one's own to what "
        "lies inside, unless that says IgnoreInherit.",
        _options,
    ),
)
