"""Reads configuration files into a tree of directives. Sans-I/O: files come from a `FileSystem`.

What httpd does while it reads is done here: continuation and comments, `${VARIABLE}`, `Define`, `Include`, macros, the
conditions `<IfModule>` and its kin, and matching `</Section>` with `<Section>`. No error stops the reader: it notes the
problem and goes on where the file most probably means to, so that one run shows them all.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pydaemonwsgi.config.apache.files import FileSystem
from pydaemonwsgi.config.apache.includes import included
from pydaemonwsgi.config.apache.lines import LogicalLine, logical_lines
from pydaemonwsgi.config.apache.macros import Macro, Macros
from pydaemonwsgi.config.apache.modules import has_module, has_version
from pydaemonwsgi.config.apache.tree import Node
from pydaemonwsgi.config.apache.variables import TooLongError, Variables
from pydaemonwsgi.config.apache.words import BLANKS, is_closed, next_word, split_words
from pydaemonwsgi.config.model.position import Position
from pydaemonwsgi.config.problems import Problems, nearest
from pydaemonwsgi.config.values import BadValueError

__all__ = ["DEEPEST_INCLUDE", "DEEPEST_SECTION", "LARGEST_FILE", "MOST_FILES", "Reader"]

DEEPEST_INCLUDE = 64  # httpd has 128 and reports a loop only there; loops by name are found at once here
DEEPEST_SECTION = 64
LARGEST_FILE = 64 << 20
MOST_FILES = 10_000  # ten files that each include the next ten times over would keep the reader busy for ever

_END = re.compile(r"</\s*([^\s>]*)\s*(>?)(.*)", re.DOTALL)
# What a site is made of, and what it would not be served as it was meant without.
_MISSED = re.compile(r"<VirtualHost\b|WSGI\w+|XSendFile\b|AuthType\b|RemoteIPHeader\b", re.IGNORECASE)
_NOTHING = "/dev/null"


@dataclass(slots=True)
class _Open:
    """A section whose end has not been read."""

    name: str
    arguments: str
    position: Position
    is_condition: bool  # its children belong to the section around it
    is_taken: bool = True
    children: list[Node] = field(default_factory=list)
    macro: Macro | None = None  # whose lines are being read
    missed: dict[str, int] | None = None  # of a module that is not there: what is passed over that counts, by line


class Reader:
    """Reads one configuration; use it once.

    Args:
        files: where files are read.
        problems: where everything wrong is noted.
        server_root: what relative file names are completed with until a `ServerRoot` is read.
        defined: names that `<IfDefine>` finds, as with httpd's `-D`.
        environment: what `${NAME}` means where nothing is defined.
        knows: whether a directive or section (without brackets) of this name exists, for `<IfDirective>`.

    Attributes:
        server_root: what relative file names are completed with now.
        passed_over: conditions that a missing module makes false, with something in them that will be missed.
    """

    def __init__(
        self,
        files: FileSystem,
        problems: Problems,
        *,
        server_root: str,
        defined: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        knows: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.server_root = server_root
        self.passed_over: list[Position] = []
        self._files = files
        self._problems = problems
        self._variables = Variables(defined, environment)
        self._knows = knows
        self._macros = Macros()
        self._using: list[str] = []
        self._including: list[str] = []
        self._files_read = 0

    def read(self, path: str) -> tuple[Node, ...]:
        """Read a file and all that it includes."""
        return tuple(self._read_file(posixpath.normpath(path), None))

    # --- Files

    def _read_file(self, path: str, wanted_by: tuple[Position, str] | None) -> list[Node]:
        try:
            content = b"" if path == _NOTHING else self._files.read(path)
        except OSError as error:
            position, directive = wanted_by or (Position(path, 1), "")
            self._problems.error(position, directive, f"{path} cannot be read: {error.strerror or error}")
            return []
        if len(content) > LARGEST_FILE:
            self._problems.error(Position(path, 1), "", f"the file is larger than {LARGEST_FILE >> 20} MiB")
            return []
        self._files_read += 1
        self._including.append(path)
        children = self._read_lines(logical_lines(content, path, self._problems), Position(path, 0), path)
        self._including.pop()
        return children

    def _read_lines(self, lines: Iterable[LogicalLine], position: Position, where: str) -> list[Node]:
        """Read lines that belong together: sections that begin in them end in them."""
        outermost = _Open("", "", position, is_condition=False)
        stack = [outermost]
        for line in lines:
            self._read_line(line, stack)
        while len(stack) > 1:
            section = stack[-1]
            self._problems.error(section.position, f"<{section.name}>", f"the section is not closed in {where}")
            self._close(stack)
        return outermost.children

    def _include(self, line: LogicalLine, name: str, arguments: str, stack: list[_Open]) -> None:
        optional = name.lower() == "includeoptional"
        words = split_words(arguments)
        if len(words) != 1 or not words[0]:
            self._problems.error(line.position, name, f"takes one argument: {name} FILE, a directory or a pattern")
            return
        if len(self._including) >= DEEPEST_INCLUDE:
            self._problems.error(line.position, name, f"more than {DEEPEST_INCLUDE} files include one another")
            return
        if self._files_read >= MOST_FILES:
            self._problems.error(line.position, name, f"more than {MOST_FILES} files are included")
            return
        wanted = posixpath.normpath(posixpath.join(self.server_root, words[0]))
        try:
            paths = included(self._files, wanted, optional=optional)
        except OSError as error:
            self._problems.error(line.position, name, f"{error.filename or wanted}: {error.strerror or error}")
            return
        for path in paths:
            if path in self._including:
                chain = " includes ".join([*self._including[self._including.index(path) :], path])
                self._problems.error(line.position, name, f"the file includes itself: {chain}")
                continue
            stack[-1].children += self._read_file(path, (line.position, name))

    # --- Lines

    def _read_line(self, line: LogicalLine, stack: list[_Open]) -> None:
        macro = stack[-1].macro
        if macro is not None:
            if not macro.take(line):
                self._define_macro(macro)
                stack.pop()
            return
        if not stack[-1].is_taken:
            self._skip_line(line, stack)
            return
        try:
            text = self._variables.expand(
                line.text,
                lambda name: self._problems.warning(
                    line.position, "", f"${{{name}}} is neither defined nor in the environment, so it stays as it is"
                ),
            )
        except TooLongError as error:
            self._problems.error(line.position, "", str(error))
            return
        name, arguments = next_word(text)
        if text.startswith("</"):
            self._read_end(line.position, text, stack)
        elif text.startswith("<"):
            self._read_section(line, text, stack)
        elif name.lower() in ("include", "includeoptional"):
            self._include(line, name, arguments, stack)
        elif name.lower() in ("define", "undefine"):
            self._define(line.position, name, split_words(arguments))
        elif name.lower() in ("use", "undefmacro"):
            self._use(line.position, name, split_words(arguments), stack)
        else:
            if ('"' in arguments or "'" in arguments) and not is_closed(arguments):
                self._problems.warning(
                    line.position, name, "a quotation mark is not closed; it is taken as closed here"
                )
            node = Node(name, arguments, line.position)
            stack[-1].children.append(node)
            if name.lower() == "serverroot":
                words = node.words()
                if len(words) == 1 and words[0].startswith("/"):
                    self.server_root = posixpath.normpath(words[0])

    def _skip_line(self, line: LogicalLine, stack: list[_Open]) -> None:
        """Look only for sections, so that the end of a section that is left out is found."""
        text = line.text
        if text.startswith("</"):
            self._read_end(line.position, text, stack)
        elif text.startswith("<"):
            name = next_word(text[1:])[0].rstrip(">")
            stack.append(_Open(name, "", line.position, is_condition=True, is_taken=False))
        counts = _MISSED.match(text)
        if counts is not None:
            for section in stack:
                if section.missed is not None:
                    section.missed.setdefault(counts[0] + (">" if counts[0][0] == "<" else ""), line.position.line)

    def _define(self, position: Position, name: str, words: list[str]) -> None:
        if name.lower() == "undefine":
            if len(words) != 1:
                self._problems.error(position, name, "takes one argument: UnDefine NAME")
            else:
                self._variables.undefine(words[0])
        elif len(words) not in (1, 2):
            self._problems.error(position, name, "takes one or two arguments: Define NAME [VALUE]")
        elif ":" in words[0] or "}" in words[0]:
            self._problems.error(position, name, f"{words[0]!r} cannot be a name: it holds a : or a }}")
        else:
            self._variables.define(words[0], words[1] if len(words) == 2 else None)

    # --- Macros

    def _use(self, position: Position, name: str, words: list[str], stack: list[_Open]) -> None:
        try:
            if name.lower() == "undefmacro":
                self._macros.undefine(words)
                return
            lines = self._macros.use(words, position)
        except BadValueError as error:
            self._problems.error(position, name, str(error))
            return
        macro = words[0].lower()
        if macro in self._using:
            chain = " uses ".join([*self._using[self._using.index(macro) :], macro])
            self._problems.error(position, name, f"the macro uses itself: {chain}")
            return
        if len(self._using) >= DEEPEST_INCLUDE:
            self._problems.error(position, name, f"more than {DEEPEST_INCLUDE} macros use one another")
            return
        self._using.append(macro)
        stack[-1].children += self._read_lines(lines, position, f"the macro {words[0]}")
        self._using.pop()

    def _begin_macro(self, section: _Open) -> None:
        """Take the lines that follow for a macro's; what cannot be one is left out as a whole."""
        try:
            section.macro = self._macros.begin(split_words(section.arguments), section.position)
        except BadValueError as error:
            self._problems.error(section.position, "<Macro>", str(error))
            section.is_condition, section.is_taken = True, False

    def _define_macro(self, macro: Macro) -> None:
        before = self._macros.define(macro)
        if before is not None:
            text = f"{macro.name} is defined already in {before.position}; from here on this one counts"
            self._problems.warning(macro.position, "<Macro>", text)

    # --- Sections

    def _read_section(self, line: LogicalLine, text: str, stack: list[_Open]) -> None:
        body = text[1:]
        inside, bracket, after = body.rpartition(">")
        name, arguments = next_word(inside if bracket else body)
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            self._problems.error(line.position, "", f"{text!r} is no section; write <Name argument>")
            return
        title = f"<{name}>"
        if not bracket:
            self._problems.error(line.position, title, "the > at the end of the line is missing")
        elif after.strip():
            self._problems.warning(line.position, title, f"what follows the > is ignored: {after.strip()!r}")
        if len(stack) > DEEPEST_SECTION:
            self._problems.error(line.position, title, f"sections are nested more than {DEEPEST_SECTION} deep")
            stack.append(_Open(name, "", line.position, is_condition=True, is_taken=False))
            return
        condition = _CONDITIONS.get(name.lower())
        section = _Open(name, arguments, line.position, is_condition=condition is not None)
        if condition is not None:
            section.is_taken = self._is_true(condition, section)
            # Any other condition is as false with httpd, and meant so.
            if not section.is_taken and name.lower() == "ifmodule" and not arguments.startswith("!"):
                section.missed = {}
        elif name.lower() == "macro":
            self._begin_macro(section)
        stack.append(section)

    def _is_true(self, condition: "Callable[[Reader, list[str]], bool]", section: _Open) -> bool:
        words = split_words(section.arguments)
        if not words:
            self._problems.error(section.position, f"<{section.name}>", "needs an argument")
            return False
        try:
            return condition(self, words)
        except BadValueError as error:
            self._problems.error(section.position, f"<{section.name}>", f"{section.arguments!r} {error}")
            return False

    def _read_end(self, position: Position, text: str, stack: list[_Open]) -> None:
        match = _END.fullmatch(text)
        assert match is not None, "the pattern matches whatever begins so"
        name, bracket, after = match.groups()
        names = [section.name.lower() for section in stack]
        if name.lower() not in names[1:]:
            hint = nearest(name, [section.name for section in stack[1:]])
            self._problems.error(position, "", f"</{name}> ends a section that was not begun in this file{hint}")
            if hint:
                self._close(stack)
            return
        around = len(names) - names[::-1].index(name.lower()) - 2
        if stack[around].is_taken:  # inside of what is passed over nothing need make sense
            self._check_end(position, text, bracket, after)
        while stack[-1].name.lower() != name.lower():
            section = stack[-1]
            self._problems.error(
                section.position,
                f"<{section.name}>",
                f"the section is not closed before </{name}> in line {position.line}",
            )
            self._close(stack)
        self._close(stack)

    def _check_end(self, position: Position, text: str, bracket: str, after: str) -> None:
        if not bracket:
            self._problems.error(position, "", f"{text!r}: the > is missing")
        elif after[:1] in BLANKS:  # also where there is nothing
            if after.strip():
                title = text[: -len(after)]
                self._problems.warning(position, title, f"what follows the > is ignored: {after.strip()!r}")
        elif after.startswith("#"):
            self._problems.error(position, "", f"{text!r}: a comment begins a line; put it into one of its own")
        else:
            self._problems.error(position, "", f"{text!r}: nothing may follow the >")

    def _close(self, stack: list[_Open]) -> None:
        section = stack.pop()
        if section.missed:
            self.passed_over.append(section.position)
            found = ", ".join(f"{name} (line {line})" for name, line in section.missed.items())
            self._problems.warning(
                section.position,
                f"<{section.name}>",
                f"there is no module {section.arguments} here, so this is passed over: {found}; "
                "write outside of it what is to count",
            )
        if section.macro is not None:
            return  # its end is missing
        if section.is_condition:
            if section.is_taken:
                stack[-1].children += section.children
            return
        node = Node(section.name, section.arguments, section.position, tuple(section.children))
        stack[-1].children.append(node)

    # --- Conditions

    def _if_module(self, words: list[str]) -> bool:
        return _negatable(words, has_module)

    def _if_define(self, words: list[str]) -> bool:
        return _negatable(words, self._variables.is_defined)

    def _if_version(self, words: list[str]) -> bool:
        return has_version(words)

    def _if_file(self, words: list[str]) -> bool:
        return _negatable(words, lambda name: self._files.exists(posixpath.join(self.server_root, name)))

    def _if_directive(self, words: list[str]) -> bool:
        return _negatable(words, self._knows)

    def _if_section(self, words: list[str]) -> bool:
        return _negatable(words, lambda name: self._knows(f"<{name}>"))


def _negatable(words: list[str], holds: Callable[[str], bool]) -> bool:
    if len(words) != 1 or words[0] in ("", "!"):
        raise BadValueError("is not one name, perhaps with ! before it")
    return not holds(words[0][1:]) if words[0].startswith("!") else holds(words[0])


_CONDITIONS: dict[str, Callable[[Reader, list[str]], bool]] = {
    "ifmodule": Reader._if_module,  # noqa: SLF001 - this table is the class's own
    "ifdefine": Reader._if_define,  # noqa: SLF001
    "ifversion": Reader._if_version,  # noqa: SLF001
    "iffile": Reader._if_file,  # noqa: SLF001
    "ifdirective": Reader._if_directive,  # noqa: SLF001
    "ifsection": Reader._if_section,  # noqa: SLF001
}
