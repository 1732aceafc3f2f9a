"""What the directives write into: the model while it is being made. Sans-I/O.

Directives come in the order of the file and may refer to what follows, so the drafts keep words where the model has
what they mean; `config.builder` makes the model of them when everything has been read.
"""

import posixpath
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydaemonwsgi.config.model import (
    AccessList,
    AccessRule,
    Combination,
    HostAddress,
    ImportScript,
    InterpreterOptions,
    Listener,
    LogTarget,
    Methods,
    Order,
    Position,
    Require,
    RequireBlock,
    Rewrite,
    RewriteCondition,
    RewriteRule,
    ScriptAlias,
    Section,
    Settings,
)
from pydaemonwsgi.config.problems import Problems

__all__ = ["Draft", "GroupDraft", "HostDraft", "LogDraft", "Place", "RequireDraft", "RewriteDraft", "SettingsDraft"]


@dataclass(slots=True)
class RewriteDraft:
    """Becomes a `Rewrite`; `conditions` wait for their rule."""

    engine: bool | None = None
    base: str | None = None
    options: set[str] = field(default_factory=set)
    rules: list[RewriteRule] = field(default_factory=list)
    conditions: list[RewriteCondition] = field(default_factory=list)
    position: Position | None = None

    def freeze(self, directory: str | None) -> Rewrite | None:
        """None if nothing was written."""
        if self.position is None:
            return None
        return Rewrite(self.engine, self.base, frozenset(self.options), tuple(self.rules), directory, self.position)


@dataclass(slots=True)
class RequireDraft:
    """Becomes a `RequireBlock`."""

    combination: Combination
    position: Position | None = None
    items: list[Require | RequireBlock] = field(default_factory=list)
    merging: Combination | None = None

    def freeze(self) -> RequireBlock | None:
        """None if nothing was written."""
        if self.position is None:
            return None
        return RequireBlock(self.combination, tuple(self.items), self.position, self.merging)


@dataclass(slots=True)
class SettingsDraft:
    """Becomes `Settings`."""

    single: dict[str, Any] = field(default_factory=dict)
    lists: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    origins: dict[str, Position] = field(default_factory=dict)
    rewrite: RewriteDraft = field(default_factory=RewriteDraft)
    require: RequireDraft = field(default_factory=lambda: RequireDraft(Combination.ANY))
    orders: list[tuple[Order, Methods | None]] = field(default_factory=list)
    access_rules: list[AccessRule] = field(default_factory=list)
    access_position: Position | None = None

    def put(self, name: str, value: object, position: Position) -> None:
        """Set a field; the last one in a context counts."""
        self.single[name] = value
        self.origins[name] = position

    def freeze(self, directory: str | None = None, *, is_section: bool = True) -> Settings:
        """The settings; the rewrite directives of a host are not among them."""
        values: dict[str, Any] = {name: tuple(entries) for name, entries in self.lists.items()}
        values.update(self.single)
        if is_section:
            values["rewrite"] = self.rewrite.freeze(directory)
        values["require"] = self.require.freeze()
        if self.access_position is not None:
            values["access_list"] = AccessList(tuple(self.orders), tuple(self.access_rules), self.access_position)
        return Settings(**values, origins=self.origins)


@dataclass(slots=True)
class LogDraft:
    """A `CustomLog` whose format may be a nickname; None is that of the last `LogFormat` without a nickname."""

    target: LogTarget
    format: str | None
    condition: str | None
    directive: str
    position: Position
    is_global: bool = False


@dataclass(slots=True)
class HostDraft:
    """Becomes a `Host`."""

    position: Position
    addresses: tuple[HostAddress, ...] = ()
    single: dict[str, Any] = field(default_factory=dict)
    lists: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    connection: dict[str, Any] = field(default_factory=dict)
    settings: SettingsDraft = field(default_factory=SettingsDraft)
    sections: list[Section] = field(default_factory=list)
    logs: list[LogDraft] = field(default_factory=list)
    nicknames: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Position] = field(default_factory=dict)
    transfer_format: str | None = None


@dataclass(slots=True)
class GroupDraft:
    """Becomes a `ProcessGroup`; `options` are fields of `GroupOptions` that were written."""

    name: str
    options: dict[str, Any]
    host: HostDraft | None
    position: Position


@dataclass(slots=True)
class Place:
    """Where a directive stands, as the drafts that it may write to.

    Attributes:
        directory: the path of the `<Directory>` around it.
        location: the path of the `<Location>` around it, if that is no pattern.
        methods: of the `<Limit>` around it.
        require: the block that `Require` adds to.
        interpreter: the fields of the `<WSGIInterpreterOptions>` around it.
        sections: where a `<Files>` inside a section is added.
    """

    host: HostDraft
    settings: SettingsDraft
    is_server: bool = False
    directory: str | None = None
    methods: Methods | None = None
    require: RequireDraft | None = None
    interpreter: dict[str, Any] | None = None
    sections: list[Section] | None = None
    location: str | None = None


def _no_lookup(name: str) -> Sequence[str]:
    raise OSError(f"host names are not looked up here, so {name!r} must be an address")


@dataclass(slots=True)
class Draft:
    """Becomes a `Server`.

    Attributes:
        server_root: absolute.
        lookup: the addresses of a host name; OSError says why there are none.
        variables: what `%{NAME}` may name in rules and their conditions; None where nobody knows.
        single: fields of `Server`.
        clients: fields of `ClientOptions` that were written.
        python: fields of `Python`.
        interpreter: fields of the `InterpreterOptions` that stand in no block.
        preloads: aliases that name both groups, and so are loaded before the first request.
    """

    problems: Problems
    server_root: str
    main: HostDraft
    lookup: Callable[[str], Sequence[str]] = _no_lookup
    variables: frozenset[str] | None = None
    single: dict[str, Any] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)
    python: dict[str, Any] = field(default_factory=dict)
    interpreter: dict[str, Any] = field(default_factory=dict)
    interpreters: list[InterpreterOptions] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    hosts: list[HostDraft] = field(default_factory=list)
    groups: dict[str, GroupDraft] = field(default_factory=dict)
    import_scripts: list[tuple[ImportScript, HostDraft]] = field(default_factory=list)
    preloads: list[tuple[ScriptAlias, HostDraft]] = field(default_factory=list)

    def path(self, text: str) -> str:
        """A file name, completed with the server's root; a last slash stays."""
        path = posixpath.normpath(posixpath.join(self.server_root, text))
        path = "/" + path.lstrip("/")
        return path + "/" if text.endswith("/") and path != "/" else path
