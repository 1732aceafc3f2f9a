"""Makes the model of a tree of directives. Sans-I/O.

The first pass walks the tree and has each row of the directive table write into drafts; the second makes the model of
the drafts, when everything that may be referred to is known: so the order of a file counts only where httpd's users
expect it to (first match, last wins). Neither stops at an error.
"""

import re
from collections.abc import Callable, Sequence

from pydaemonwsgi.config.apache.tree import Node
from pydaemonwsgi.config.directives.drafts import Draft, HostDraft, Place
from pydaemonwsgi.config.directives.row import ANYWHERE, Context, Line, Row, Support
from pydaemonwsgi.config.directives.table import DIRECTIVES, find_row
from pydaemonwsgi.config.finish import finish
from pydaemonwsgi.config.model import Position, Server
from pydaemonwsgi.config.problems import Problems, Severity, nearest
from pydaemonwsgi.config.sections import enter_section
from pydaemonwsgi.config.values import BadValueError

__all__ = ["build"]


def build(
    nodes: Sequence[Node],
    problems: Problems,
    *,
    server_root: str,
    place: Position,
    lookup: Callable[[str], Sequence[str]] | None = None,
    variables: frozenset[str] | None = None,
) -> Server | None:
    """The model of a configuration.

    Args:
        nodes: what the reader gave.
        problems: where everything wrong is noted.
        server_root: what relative file names are completed with.
        place: where what is not written should have been, in a file with nothing in it.
        lookup: the addresses of a host name in `<VirtualHost>`; without it such a name is an error.
        variables: what `%{NAME}` may name in rules; None where nobody knows.

    Returns:
        The model, as far as it could be made: `problems` say whether it is whole. None if nothing could be read.
    """
    if not nodes and problems.of(Severity.ERROR):
        return None  # the file could not be read; what is not in it is no second error
    main = HostDraft(nodes[0].position if nodes else place)
    draft = Draft(problems, server_root, main, variables=variables)
    if lookup is not None:
        draft.lookup = lookup
    builder = _Builder(draft)
    builder.walk(tuple(nodes), Place(main, main.settings, is_server=True), Context.SERVER)
    builder.tell_refused()
    return finish(draft)


# A directive with one of these asks for nothing, so nothing is missed: `SSLEngine Off`, `AuthType None`.
_NOTHING_ASKED = frozenset({"off", "none"})


class _Builder:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._noted: set[str] = set()
        self._refused: dict[tuple[str, str], list[tuple[Position, str]]] = {}

    def walk(self, nodes: tuple[Node, ...], place: Place, context: Context) -> None:
        """Obey every directive, in order; what is wrong is noted."""
        problems = self._draft.problems
        for node in nodes:
            row = find_row(node.name, is_section=node.is_section)
            if row is None:
                problems.error(node.position, node.title, _unknown(node))
            elif row.support is Support.REFUSED and node.arguments.strip().lower() in _NOTHING_ASKED:
                self._note(node.position, row)
            elif row.support is Support.REFUSED:
                self._refused.setdefault((node.position.file, row.meaning), []).append((node.position, row.name))
            elif row.support is Support.NOTED:
                self._note(node.position, row)
            elif context not in row.contexts:
                problems.error(node.position, row.name, _misplaced(row, context))
            else:
                self._obey(node, row, place)
        rewrite = place.settings.rewrite
        # Inside <Limit> and <RequireAny> the settings are those of the section around.
        if rewrite.conditions and context in (Context.SERVER, Context.HOST, *ANYWHERE):
            problems.warning(
                rewrite.conditions[-1].position, "RewriteCond", "no RewriteRule follows, so it has no effect"
            )
            rewrite.conditions.clear()

    def tell_refused(self) -> None:
        """One error for each reason and file: one decision mends them all."""
        for (_, why), found in self._refused.items():
            (position, name), *more = found
            likewise = ", ".join(dict.fromkeys(f"{other} (line {place.line})" for place, other in more))
            text = f"not supported: {why}{f'; likewise {likewise}' if likewise else ''}"
            self._draft.problems.error(position, name, text)

    def _note(self, position: Position, row: Row) -> None:
        """One line for each directive, however often it is written."""
        if row.name not in self._noted:
            self._noted.add(row.name)
            self._draft.problems.info(position, row.name, f"accepted without effect: {row.meaning}")

    def _obey(self, node: Node, row: Row, place: Place) -> None:
        try:
            words = [] if row.raw else node.words()
            if not row.raw:
                row.check_words(words)
            if row.name == "Error":
                raise BadValueError(words[0])
            if row.apply is not None:
                row.apply(Line(row, node, words, place, self._draft))
                if place.settings is place.host.settings:
                    place.host.origins[row.name] = node.position
            elif node.is_section:
                enter_section(node, place, self._draft, self.walk)
        except BadValueError as error:
            self._draft.problems.error(node.position, row.name, f"{error}{_comment_hint(node)}")


def _comment_hint(node: Node) -> str:
    """What to say of a line that is wrong, and has what looks like a comment behind it."""
    if re.search(r"\s#|^#", node.arguments) is None:
        return ""
    return "; a # inside a line begins no comment: put it into a line of its own"


def _unknown(node: Node) -> str:
    other = find_row(node.name, is_section=not node.is_section)
    if other is not None:
        right = f"<{node.name} …> with </{node.name}>" if other.is_section else f"{node.name} without < and >"
        return f"is written {right}"
    rows = [row for row in DIRECTIVES.values() if row.is_section is node.is_section and not row.name.endswith("*")]
    known = [row.name.strip("<>") for row in rows]
    hint = nearest(node.name, known) or "; docs/reference/directives.md has all"
    return f"there is no such {'section' if node.is_section else 'directive'}{hint}"


def _misplaced(row: Row, context: Context) -> str:
    places = [place.value for place in Context if place in row.contexts]
    *most, last = places
    return f"may not stand in {context.value}; its place is {', '.join(most)}{' or ' if most else ''}{last}"
