"""What the directives of one context ask for, and how contexts are laid over each other. Sans-I/O.

A context is the server, a virtual host, or a section. None (or an empty tuple) means that the context says nothing.
Each field of `Settings` names the rule by which httpd merges it, so a new directive is one field here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from pydaemonwsgi.config.model.access import AccessList, RequireBlock
from pydaemonwsgi.config.model.position import NOWHERE, Position
from pydaemonwsgi.config.model.rewriting import Rewrite

__all__ = [
    "DEFAULT_SETTINGS",
    "UNIX_PEERS",
    "EnvironmentCondition",
    "EnvironmentVariable",
    "ErrorDocument",
    "Expiry",
    "ExtensionRule",
    "HandlerScript",
    "HeaderRule",
    "Options",
    "Redirect",
    "Script",
    "Settings",
    "merge_settings",
]

UNIX_PEERS = "unix:"
"""Stands, among the addresses of trusted proxies, for whoever comes by a Unix socket and has none."""


@dataclass(frozen=True, slots=True)
class Options:
    """`Options`: either the whole set, or what is added to and taken from the set before it.

    The names are httpd's in lower case: `execcgi`, `followsymlinks`, `indexes`, `multiviews`, `symlinksifownermatch`,
    `includes`, `includesnoexec`; `All` and `None` are written out as sets.
    """

    whole: frozenset[str] | None = None
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    position: Position = field(default=NOWHERE, compare=False)

    @property
    def effective(self) -> frozenset[str]:
        """The set after all merging."""
        return ((self.whole or frozenset()) | self.added) - self.removed


@dataclass(frozen=True, slots=True)
class ExtensionRule:
    """`AddHandler`, `AddType`, `AddEncoding`, `AddCharset`, `AddLanguage` and their `Remove…`.

    Attributes:
        extension: in lower case, without its dot.
        attribute: `handler`, `type`, `encoding`, `charset` or `language`.
        value: None if it was removed. A later rule for the same extension and attribute wins.
    """

    extension: str
    attribute: str
    value: str | None
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    """`SetEnv` (value), `UnsetEnv` (None) and `PassEnv` (from_server, no value)."""

    name: str
    value: str | None
    from_server: bool = False
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class EnvironmentCondition:
    """`SetEnvIf`, `SetEnvIfNoCase`, `BrowserMatch`, `BrowserMatchNoCase`.

    Attributes:
        attribute: `Remote_Addr`, `Request_URI` …, a header's name, a regular expression for one, or a variable that
            was set before.
        pattern: the regular expression.
        variables: name and value, with `$0` to `$9` in it; None unsets the variable.
    """

    attribute: str
    pattern: str
    variables: tuple[tuple[str, str | None], ...]
    ignore_case: bool = False
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """`Header` and `RequestHeader`.

    Attributes:
        of_request: RequestHeader.
        always: `always`; else it counts for successful answers only.
        action: `set`, `append`, `merge`, `add`, `unset`, `echo`, `edit`, `edit*`, `setifempty` or `note`.
        name: the header; for `echo` a regular expression.
        value: with `%t`, `%D`, `%{NAME}e`, `%{NAME}s` in it, unexpanded; for `edit` the regular expression.
        replacement: of `edit`.
        condition: the variable of `env=NAME`; with a `!` before it if it must not be set; None for always.
    """

    of_request: bool
    action: str
    name: str
    value: str = ""
    replacement: str = ""
    always: bool = False
    condition: str | None = None
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """`ErrorDocument`.

    Attributes:
        kind: `text`, `path` (an URL path of this server), `url`, or `default` for the server's own page.
    """

    status: int
    kind: str
    value: str = ""
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Expiry:
    """`ExpiresDefault` and `ExpiresByType`.

    Attributes:
        media_type: in lower case; `text/*` is every text; "" is every answer.
        from_modification: it counts from the file's last modification; else from the request.
    """

    media_type: str
    from_modification: bool
    seconds: int
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Redirect:
    """`Redirect`, `RedirectMatch`, `RedirectPermanent`, `RedirectTemp`.

    Attributes:
        pattern: an URL path, or a regular expression if `is_regex`.
        target: URL or URL path, with `$1` if `is_regex`; None for a status without Location, such as 410.
    """

    status: int
    pattern: str
    target: str | None
    is_regex: bool = False
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Script:
    """`WSGIDispatchScript` and `WSGIAccessScript`: a file and the application group that it runs in."""

    path: str
    application_group: str = ""
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class HandlerScript:
    """`WSGIHandlerScript`: what `SetHandler NAME` runs. None means the setting of the context."""

    name: str
    path: str
    process_group: str | None = None
    application_group: str | None = None
    pass_authorization: bool | None = None
    position: Position = field(default=NOWHERE, compare=False)


class _Merge(Enum):
    """How the value of a later context is laid over that of an earlier one."""

    OVERRIDE = "the later value, unless it is not written"
    APPEND = "both, the earlier first"
    PREPEND = "both, the later first"
    OPTIONS = "a whole set replaces, additions and removals change"
    REQUIRE = "the later block, unless AuthMerging combines both"
    REWRITE = "rules replace unless inherited; engine and base count on their own"


_APPEND = {"merge": _Merge.APPEND}
_PREPEND = {"merge": _Merge.PREPEND}
_OPTIONS = {"merge": _Merge.OPTIONS}
_REQUIRE = {"merge": _Merge.REQUIRE}
_REWRITE = {"merge": _Merge.REWRITE}


@dataclass(frozen=True, slots=True)
class Settings:
    """What may be written in any context, or only in sections; None and () where a context says nothing."""

    # --- Files
    options: Options | None = field(default=None, metadata=_OPTIONS)
    directory_index: tuple[str, ...] | None = None  # () is `disabled`
    directory_slash: bool | None = None
    fallback_resource: str | None = None  # "" is `disabled`
    extensions: tuple[ExtensionRule, ...] = field(default=(), metadata=_APPEND)
    set_handler: str | None = None  # "" is `none`
    force_type: str | None = None  # "" is `none`
    default_charset: str | None = None  # "" is `off`
    file_etag: frozenset[str] | None = None  # of "inode", "mtime", "size"; empty is `none`
    accept_path_info: str | None = None  # "on", "off", "default"
    multiviews_match: frozenset[str] | None = None  # of "any", "handlers", "filters"; empty is `NegotiatedOnly`
    language_priority: tuple[str, ...] | None = None  # in lower case
    force_language_priority: frozenset[str] | None = None  # of "prefer", "fallback"; empty is `None`

    # --- Access
    require: RequireBlock | None = field(default=None, metadata=_REQUIRE)
    access_list: AccessList | None = None

    # --- Routing
    rewrite: Rewrite | None = field(default=None, metadata=_REWRITE)
    redirects: tuple[Redirect, ...] = field(default=(), metadata=_PREPEND)

    # --- Requests and answers
    environment: tuple[EnvironmentVariable, ...] = field(default=(), metadata=_APPEND)
    environment_conditions: tuple[EnvironmentCondition, ...] = field(default=(), metadata=_APPEND)
    headers: tuple[HeaderRule, ...] = field(default=(), metadata=_APPEND)
    expires_active: bool | None = None
    expires_default: Expiry | None = None
    expires_by_type: tuple[Expiry, ...] = field(default=(), metadata=_APPEND)  # the last of a type counts
    error_documents: tuple[ErrorDocument, ...] = field(default=(), metadata=_APPEND)  # the last for a status counts
    limit_request_body: int | None = None  # bytes; 0 is no limit
    use_canonical_name: str | None = None  # "on", "off", "dns"
    hostname_lookups: str | None = None  # "on", "off", "double"
    server_signature: str | None = None  # "on", "off", "email"

    # --- WSGI
    process_group: str | None = None  # a name or a form such as %{ENV:NAME}
    application_group: str | None = None
    callable_object: str | None = None
    restrict_process: frozenset[str] | None = None
    dispatch_script: Script | None = None
    access_script: Script | None = None
    handler_scripts: tuple[HandlerScript, ...] = field(default=(), metadata=_APPEND)  # the last of a name counts
    pass_authorization: bool | None = None
    script_reloading: bool | None = None
    reload_mechanism: str | None = None  # "process", "module", "interpreter"
    error_override: bool | None = None
    chunked_request: bool | None = None
    map_head_to_get: str | None = None  # "auto", "on", "off"
    ignore_activity: bool | None = None
    trusted_proxy_headers: tuple[str, ...] | None = None  # as environ keys: HTTP_X_FORWARDED_FOR
    trusted_proxies: tuple[str, ...] | None = None  # addresses, networks and UNIX_PEERS

    origins: Mapping[str, Position] = field(default_factory=dict, compare=False)
    """Where the fields that are single values were written, by field name; entries of lists know it themselves."""


def merge_settings(base: Settings, over: Settings) -> Settings:
    """The settings of a context that lies over another one."""
    if over == _NOTHING:
        return base
    if base == _NOTHING:
        return over
    merged: dict[str, Any] = {"origins": {**base.origins, **over.origins}}
    for name, merge, unset in _RULES:
        below, above = getattr(base, name), getattr(over, name)
        merged[name] = below if above == unset else above if below == unset else merge(below, above)
    return Settings(**merged)


def _merge_options(below: Options, above: Options) -> Options:
    if above.whole is not None:
        return above
    return Options(
        None if below.whole is None else (below.whole | above.added) - above.removed,
        (below.added - above.removed) | above.added,
        (below.removed - above.added) | above.removed,
        above.position,
    )


def _merge_require(below: RequireBlock, above: RequireBlock) -> RequireBlock:
    if above.merging is None:
        return above
    return RequireBlock(above.merging, (below, above), above.position, above.merging)


def _merge_rewrite(below: Rewrite, above: Rewrite) -> Rewrite:
    engine = below.engine if above.engine is None else above.engine
    base = below.base if above.base is None else above.base
    options, rules = above.options or below.options, above.rules
    # What lies below may give its rules to all above it, who may refuse them.
    given = frozenset() if "ignoreinherit" in options else below.options
    if "inherit" in options or "inheritdown" in given:
        rules = above.rules + below.rules
    elif "inheritbefore" in options or "inheritdownbefore" in given:
        rules = below.rules + above.rules
    return Rewrite(engine, base, options, rules, above.directory, above.position)


_HOW: dict[_Merge, Callable[[Any, Any], Any]] = {
    _Merge.OVERRIDE: lambda _, above: above,
    _Merge.APPEND: lambda below, above: below + above,
    _Merge.PREPEND: lambda below, above: above + below,
    _Merge.OPTIONS: _merge_options,
    _Merge.REQUIRE: _merge_require,
    _Merge.REWRITE: _merge_rewrite,
}
_RULES = [
    (row.name, _HOW[row.metadata.get("merge", _Merge.OVERRIDE)], row.default)
    for row in fields(Settings)
    if row.name != "origins"
]
_NOTHING = Settings()

DEFAULT_SETTINGS = Settings(
    options=Options(whole=frozenset({"followsymlinks"})),
    directory_index=("index.html",),
    directory_slash=True,
    default_charset="",
    file_etag=frozenset({"mtime", "size"}),
    accept_path_info="default",
    multiviews_match=frozenset(),
    language_priority=(),
    force_language_priority=frozenset({"prefer"}),
    expires_active=False,
    limit_request_body=1 << 30,
    use_canonical_name="off",
    hostname_lookups="off",
    server_signature="off",
    pass_authorization=True,
    script_reloading=True,
    reload_mechanism="process",
    error_override=False,
    chunked_request=True,
    map_head_to_get="auto",
    ignore_activity=False,
)
"""What counts where no context says anything, httpd 2.4.54's and mod_wsgi's; the lowest layer of every host."""
