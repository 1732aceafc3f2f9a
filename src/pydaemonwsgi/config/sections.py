"""Sections of a configuration: what each compares itself with, and how its contents are built. Sans-I/O."""

import posixpath
import re
from dataclasses import replace
from typing import Protocol

from pydaemonwsgi.config.apache.tree import Node
from pydaemonwsgi.config.directives.access import unknown_method
from pydaemonwsgi.config.directives.drafts import Draft, HostDraft, Place, RequireDraft, SettingsDraft
from pydaemonwsgi.config.directives.hosts import host_addresses
from pydaemonwsgi.config.directives.rewriting import check_pattern
from pydaemonwsgi.config.directives.row import Context
from pydaemonwsgi.config.directives.words import read_options
from pydaemonwsgi.config.model import Combination, InterpreterOptions, Matching, Methods, Section, SectionKind
from pydaemonwsgi.config.values import BadValueError

__all__ = ["Walk", "enter_section"]

_KINDS = {kind.value.lower(): kind for kind in SectionKind}
_CONTEXTS = {
    SectionKind.DIRECTORY: Context.DIRECTORY,
    SectionKind.LOCATION: Context.LOCATION,
    SectionKind.FILES: Context.FILES,
}
_COMBINATIONS = {combination.value.lower(): combination for combination in Combination}
_METHOD = re.compile(r"[A-Z][A-Z0-9-]*", re.IGNORECASE)


class Walk(Protocol):
    """Obeys the directives of a section in a place."""

    def __call__(self, nodes: tuple[Node, ...], place: Place, context: Context) -> None: ...


def enter_section(node: Node, place: Place, draft: Draft, walk: Walk) -> None:
    """Build what a section says, and add it to where it stands.

    Raises:
        BadValueError: the section itself cannot be meant; its contents are not looked at then.
    """
    name = node.name.lower()
    assert node.children is not None, "the caller asks for sections only"
    if name == "virtualhost":
        _virtual_host(node, draft, walk)
    elif name in ("limit", "limitexcept"):
        walk(node.children, replace(place, methods=_methods(node, draft)), Context.LIMIT)
    elif name in _COMBINATIONS:
        _require_block(node, place, walk)
    elif name == "wsgiinterpreteroptions":
        _interpreter(node, place, draft, walk)
    else:
        _section(node, place, walk)


def _virtual_host(node: Node, draft: Draft, walk: Walk) -> None:
    assert node.children is not None, "a section has children"
    addresses = host_addresses(node.words(), draft)
    host = HostDraft(node.position, addresses)
    draft.hosts.append(host)
    walk(node.children, Place(host, host.settings), Context.HOST)


def _methods(node: Node, draft: Draft) -> Methods:
    names = set()
    for word in node.words():
        if not _METHOD.fullmatch(word):
            raise BadValueError(f"{word!r} is no HTTP method")
        if (doubt := unknown_method(word)) is not None:
            draft.problems.warning(node.position, node.title, doubt)
        # httpd knows no HEAD here: what is said of GET is said of it too.
        names |= {"GET", "HEAD"} if word.upper() == "GET" else {word.upper()}
    return Methods(frozenset(names), inverted=node.name.lower() == "limitexcept")


def _require_block(node: Node, place: Place, walk: Walk) -> None:
    assert node.children is not None, "a section has children"
    block = RequireDraft(_COMBINATIONS[node.name.lower()], node.position)
    walk(node.children, replace(place, require=block), Context.REQUIRE)
    frozen = block.freeze()
    assert frozen is not None, "it has a position"
    if not frozen.items:
        raise BadValueError("there is no Require in it")
    outer = place.require if place.require is not None else place.settings.require
    outer.position = outer.position or node.position
    outer.items.append(frozen)


def _interpreter(node: Node, place: Place, draft: Draft, walk: Walk) -> None:
    assert node.children is not None, "a section has children"
    words, options = read_options(node.arguments, 0, _refuse)
    given = {name: "" if value == "%{GLOBAL}" else value for name, value in options}
    if words or not given.keys() <= {"process-group", "application-group"}:
        raise BadValueError("takes process-group=NAME and application-group=NAME only")
    fields: dict[str, object] = {name.replace("-", "_"): value for name, value in given.items()}
    walk(node.children, replace(place, interpreter=fields), Context.INTERPRETER)
    draft.interpreters.append(InterpreterOptions(**fields, position=node.position))  # type: ignore[arg-type]


def _refuse(text: str) -> None:
    # Of which of two groups it speaks, httpd does not guess either.
    raise BadValueError(f"{text.partition(';')[0]}; leave one out")


def _section(node: Node, place: Place, walk: Walk) -> None:
    assert node.children is not None, "a section has children"
    kind, matching, pattern = _pattern(node)
    settings = SettingsDraft()
    inner: list[Section] = []
    # What is cut off before a rule is matched is the directory's name; a pattern has none.
    directory = pattern if kind is SectionKind.DIRECTORY else place.directory
    location = pattern if kind is SectionKind.LOCATION and matching is Matching.LITERAL else None
    inside = Place(place.host, settings, directory=directory, sections=inner, location=location)
    walk(node.children, inside, _CONTEXTS[kind])
    section = Section(kind, matching, pattern, settings.freeze(directory), tuple(inner), node.position)
    (place.host.sections if place.sections is None else place.sections).append(section)


def _pattern(node: Node) -> tuple[SectionKind, Matching, str]:
    words = node.words()
    is_regex = node.name.lower().endswith("match")
    kind = _KINDS[node.name.lower().removesuffix("match")]
    if words[0] == "~" and not is_regex:
        is_regex = True
        words.pop(0)
    if len(words) != 1:
        raise BadValueError(f"takes one argument; quote it if it holds blanks: <{node.name} {node.arguments}>")
    word = words[0]
    if is_regex:
        check_pattern(word)
        return kind, Matching.REGEX, word
    if kind is SectionKind.DIRECTORY:
        if not word.startswith("/"):
            raise BadValueError(f"{word!r} is not absolute; it must begin with /")
        word = "/" + posixpath.normpath(word).lstrip("/")
    elif kind is SectionKind.LOCATION:
        if not word.startswith("/"):
            raise BadValueError(f"{word!r} is no URL path; it must begin with /")
    elif "/" in word:
        raise BadValueError(f"{word!r} holds a /; <Files> is about names without their directory")
    return kind, Matching.GLOB if re.search(r"[*?\[]", word) else Matching.LITERAL, word
