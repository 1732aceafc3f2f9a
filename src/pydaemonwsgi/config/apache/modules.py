"""Which of httpd's modules count as present, for `<IfModule>`; and which httpd, for `<IfVersion>`. Sans-I/O."""

import re

from pydaemonwsgi.config.values import BadValueError

__all__ = ["HTTPD_VERSION", "has_module", "has_version"]

HTTPD_VERSION = (2, 4, 62)
"""The httpd whose configuration language this is."""

_MODULES = frozenset(
    """
    access_compat alias authz_core authz_host autoindex core dir env expires headers http log_config macro mime
    negotiation pydaemonwsgi reqtimeout rewrite setenvif so unixd version wsgi
    """.split()
)
# Those of httpd whose source file and identifier are not called mod_NAME.c and NAME_module.
_OTHER_NAMES = {"core.c": "core", "core_module": "core", "http_core.c": "http", "http_module": "http"}


def has_module(name: str) -> bool:
    """Whether a module is present, by the name of its source file (`mod_wsgi.c`) or its identifier (`wsgi_module`)."""
    if name in _OTHER_NAMES:
        return True
    match = re.fullmatch(r"mod_(\w+)(?:\.c|\.cpp)?|(\w+)_module|(\w+)", name)
    return match is not None and (match[1] or match[2] or match[3]) in _MODULES


def has_version(words: list[str]) -> bool:
    """Whether `<IfVersion [!][OPERATOR] VERSION>` is true.

    Raises:
        BadValueError: no such operator, or no version; the message ends the sentence "'<words>' ...".
    """
    operator, version = ("=", *words) if len(words) == 1 else words if len(words) == 2 else ("", "")
    negated = operator.startswith("!") and operator != "!"
    operator = operator.removeprefix("!") if negated else operator
    here = ".".join(map(str, HTTPD_VERSION))
    pattern = re.fullmatch(r"/(.*)/", version)
    if operator == "~" or (operator in ("=", "==") and pattern is not None):
        try:
            found = re.search(pattern[1] if pattern is not None else version, here) is not None
        except re.error:
            raise BadValueError("holds no regular expression") from None
        return found is not negated
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,5}){0,2}", version):
        raise BadValueError("is not a version such as 2.4, with an operator such as >= before it")
    given = tuple(map(int, version.split(".")))
    given = (*given, 0, 0)[:3]
    results = {
        "=": given == HTTPD_VERSION,
        "==": given == HTTPD_VERSION,
        ">": given < HTTPD_VERSION,
        ">=": given <= HTTPD_VERSION,
        "<": given > HTTPD_VERSION,
        "<=": given >= HTTPD_VERSION,
    }
    if operator not in results:
        raise BadValueError("has no operator that is known; give =, >, >=, <, <= or ~")
    return results[operator] is not negated
