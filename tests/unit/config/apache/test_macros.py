"""Macros are text that is read where they are used: httpd 2.4.71 was asked first."""

import pytest

from pydaemonwsgi.config.apache import macros
from pydaemonwsgi.config.apache.files import FilesInMemory
from pydaemonwsgi.config.load import load
from tests.unit.config.apache.test_reader import Shape, read

SITE = """\
<Macro VHost $name $port $name_of_root>
<VirtualHost *:$port>
ServerName $name.test
DocumentRoot "/srv/$name_of_root"
</VirtualHost>
</Macro>
Use VHost one 80 "a b"
use vhost two $port $name
"""


def test_a_macro_is_read_where_it_is_used_with_its_values() -> None:
    """Of names that fit the longest counts, and a value is not looked at again."""
    tree, problems = read(SITE)
    assert tree == [
        ("VirtualHost *:80", ["ServerName one.test", 'DocumentRoot "/srv/a b"']),
        ("VirtualHost *:$port", ["ServerName two.test", 'DocumentRoot "/srv/$name"']),
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("<Macro a>\nX\n</Macro>\n", []),
        ("<Macro a>\n</Macro>\nUse a\nY\n", ["Y"]),
        ("<macro a>\nX\n</MACRO>\nUSE A\n", ["X"]),
        ("<Macro a x>\nX axa $x\n</Macro>\nUse a -\n", ["X a-a $-"]),
        ("<Macro a $x>\nX $x\n</Macro>\nUse a 'b c'\n", ["X b c"]),
        ("Define V w\n<Macro a $x>\nX ${V} $x\n</Macro>\nDefine V z\nUse a ${V}\n", ["X z z"]),
        ("<Macro a $x>\nX ${$x}\n</Macro>\nDefine V z\nUse a V\n", ["X z"]),
        ("<Macro a $x>\n<IfDefine $x>\nX\n</IfDefine>\n</Macro>\nDefine D\nUse a D\nUse a E\n", ["X"]),
        ("<Macro a $x>\nX $x\n</Macro>\n<Macro b $y>\nUse a $y\nUse a 2\n</Macro>\nUse b 1\n", ["X 1", "X 2"]),
        ("<Macro a $x>\n<Macro b>\nX $x\n</Macro>\n</Macro>\nUse a 1\nUse b\n", ["X 1"]),
        ("<IfModule no>\n<Macro a>\nX\n</Macro>\nUse a\n</IfModule>\nY\n", ["Y"]),
        ("<IfModule mod_macro.c>\n<Macro a>\nX\n</Macro>\nUse a\n</IfModule>\n", ["X"]),
        ("<Directory /x>\n<Macro a>\nX\n</Macro>\nUse a\n</Directory>\nUse a\n", [("Directory /x", ["X"]), "X"]),
        ("<Macro a>\nInclude b.conf\n</Macro>\nUse a\nUse c\n", ["B", "C"]),
    ],
)
def test_a_macro_is_text(text: str, tree: list[Shape]) -> None:
    assert read(text, {"/etc/b.conf": "B\n<Macro c>\nC\n</Macro>\n"}) == (tree, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Use a", "/etc/a.conf:1: error: Use: there is no macro 'a'; it must be written before it is used"),
        ("<Macro Host>\n</Macro>\nUse Hots", "/etc/a.conf:3: error: Use: there is no macro 'Hots'; did you mean Host?"),
        ("<Macro a>\n</Macro>\nUndefMacro a\nUse a", "/etc/a.conf:4: error: Use: there is no macro 'a'"),
        ("UndefMacro a", "/etc/a.conf:1: error: UndefMacro: there is no macro 'a'"),
        ("Use", "/etc/a.conf:1: error: Use: takes the name of a macro"),
        (
            "<Macro a $x $y>\n</Macro>\nUse a b",
            "/etc/a.conf:3: error: Use: a (/etc/a.conf:1) takes 2 values, not 1: Use a $x $y; quote a value",
        ),
        ("<Macro>\nFoo\n</Macro>", "/etc/a.conf:1: error: <Macro>: the macro's name is missing"),
        ("<Macro a $x $x>\nFoo\n</Macro>", "/etc/a.conf:1: error: <Macro>: the parameter $x is named twice"),
        ("<Macro a>\nFoo", "/etc/a.conf:1: error: <Macro>: the section is not closed in /etc/a.conf"),
        (
            "<Macro a>\nUse b\n</Macro>\n<Macro b>\nUse a\n</Macro>\nUse a",
            "/etc/a.conf:5 (used in /etc/a.conf:2 (used in /etc/a.conf:7)): error: Use: the macro uses itself: ",
        ),
        (
            "<Macro a>\n<Directory /x>\n</Macro>\nUse a",
            "/etc/a.conf:2 (used in /etc/a.conf:4): error: <Directory>: the section is not closed in the macro a",
        ),
        (
            "<Macro a>\n</Directory>\n</Macro>\n<Directory /x>\nUse a\n</Directory>",
            "/etc/a.conf:2 (used in /etc/a.conf:5): error: </Directory> ends a section that was not begun",
        ),
        (
            "<Macro a>\n</Macro>\n<Macro a>\n</Macro>",
            "/etc/a.conf:3: warning: <Macro>: a is defined already in /etc/a.conf:1; from here on this one counts",
        ),
        (
            "<Macro a $x>\n" + "$x" * 2000 + "\n</Macro>\nUse a " + "y" * 1000,
            "/etc/a.conf:4: error: Use: the values make a line longer than 1048576 characters",
        ),
    ],
)
def test_what_cannot_be_meant_is_named(text: str, problem: str) -> None:
    _, [found] = read(f"{text}\n")
    assert found.startswith(problem)


def test_macros_make_no_more_lines_than_anybody_can_want(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten macros that each use the next ten times are ten milliards."""
    monkeypatch.setattr(macros, "MOST_LINES", 1000)
    text = "".join(f"<Macro m{n}>\n" + f"Use m{n + 1}\n" * 10 + "</Macro>\n" for n in range(9))
    tree, problems = read(f"{text}<Macro m9>\nX\n</Macro>\nUse m6\nUse m5\n")
    assert len(tree) < 1000 + 1000
    assert problems[0].endswith("Use: macros make more than 1000 lines")


def test_macros_that_use_each_other_for_ever_have_an_end() -> None:
    text = "".join(f"<Macro m{n}>\nUse m{n + 1}\n</Macro>\n" for n in range(1000))
    _, [problem] = read(f"{text}Use m0\n")
    assert problem.endswith("more than 64 macros use one another")


def test_what_a_macro_makes_knows_its_line_and_where_it_is_used() -> None:
    """So that the same mistake of two uses is two problems."""
    text = "Listen 80\n<Macro a $x>\nServerAdmin x\n<VirtualHost *>\nServrName $x\n</VirtualHost>\n</Macro>\n"
    found = load("/etc/a.conf", FilesInMemory({"/etc/a.conf": f"{text}Use a one\nUse a two\n"})).problems
    assert [str(problem.position) for problem in found] == [
        "/etc/a.conf:5 (used in /etc/a.conf:8)",
        "/etc/a.conf:5 (used in /etc/a.conf:9)",
    ]
