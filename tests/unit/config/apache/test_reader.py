"""The reader gives httpd's tree, and every error with its place."""

import posixpath
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.config.apache.files import FilesInMemory
from pydaemonwsgi.config.apache.modules import has_module, has_version
from pydaemonwsgi.config.apache.reader import DEEPEST_SECTION, Reader
from pydaemonwsgi.config.apache.tree import Node
from pydaemonwsgi.config.problems import Problems, Severity
from pydaemonwsgi.config.values import BadValueError

Shape = str | tuple[str, list["Shape"]]


def read(
    text: bytes | str,
    others: Mapping[str, bytes | str] | None = None,
    *,
    defined: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[list[Shape], list[str]]:
    """The tree as texts, and the problems as texts."""
    problems = Problems()
    reader = Reader(
        FilesInMemory({"/etc/a.conf": text, **(others or {})}),
        problems,
        server_root="/etc",
        defined=defined,
        environment=environment,
        knows=lambda name: name.lower() in ("listen", "<directory>"),
    )
    tree = reader.read("/etc/a.conf")
    return [shape(node) for node in tree], list(map(str, problems.found))


def shape(node: Node) -> Shape:
    text = f"{node.name} {node.arguments}".strip()
    return text if node.children is None else (text, [shape(child) for child in node.children])


def test_sections_hold_what_stands_in_them() -> None:
    tree, problems = read('A b\n<Directory "/srv/a b">\n  C d\n  <Files x>\n    E\n  </files>\n</DIRECTORY>\nF\n')
    assert tree == ["A b", ('Directory "/srv/a b"', ["C d", ("Files x", ["E"])]), "F"]
    assert problems == []


def test_a_node_knows_its_place_and_words() -> None:
    reader = Reader(FilesInMemory({"/etc/a.conf": '\nA "b c" \\\n d\n'}), Problems(), server_root="/etc")
    (node,) = reader.read("/etc/a.conf")
    assert (str(node.position), node.words()) == ("/etc/a.conf:2", ["b c", "d"])


# --- Variables


def test_defined_variables_are_expanded_from_there_on() -> None:
    tree, problems = read("Define A one\nX ${A}\nDefine A two\nX ${A}\nUnDefine A\nX ${A}\n")
    assert tree == ["X one", "X two", "X ${A}"]
    assert problems == ["/etc/a.conf:6: warning: ${A} is neither defined nor in the environment, so it stays as it is"]


def test_a_variable_may_hold_several_words_and_the_name_of_a_directive() -> None:
    assert read('Define A "X y z"\n${A}\n')[0] == ["X y z"]


def test_what_a_variable_holds_is_expanded_once() -> None:
    assert read("Define B 3\nDefine A $\nDefine C ${A}{B}\nX ${C}\n")[0] == ["X ${B}"]


def test_the_environment_is_asked_after_the_definitions() -> None:
    assert read("X ${A} ${B}\n", defined=("A",), environment={"A": "a", "B": "b"})[0] == ["X a b"]


def test_a_reference_with_a_colon_is_left_alone() -> None:
    assert read("X ${map:key}\n") == (["X ${map:key}"], [])


@pytest.mark.parametrize("line", ["Define", "Define A B C", "Define A:B c", "UnDefine", "UnDefine A B"])
def test_a_definition_that_cannot_be_meant_is_an_error(line: str) -> None:
    assert [text.startswith("/etc/a.conf:1: error: ") for text in read(line)[1]] == [True]


# --- Conditions


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        ("IfModule mod_wsgi.c", True),
        ("IfModule wsgi_module", True),
        ("IfModule rewrite_module", True),
        ("IfModule mod_expires.c", True),
        ("IfModule mod_macro.c", True),
        ("IfModule !mod_rewrite.c", False),
        ("IfModule mod_ssl.c", False),
        ("IfModule !ssl_module", True),
        ("IfModule mpm_event_module", False),
        ("IfModule pydaemonwsgi", True),
        ("IfDefine X", True),
        ("IfDefine !X", False),
        ("IfDefine HOME", False),
        ("IfVersion >= 2.4", True),
        ("IfVersion < 2.4", False),
        ("IfVersion !< 2.4", True),
        ("IfVersion = 2.4.62", True),
        ("IfVersion ~ ^2\\.4", True),
        ("IfVersion = /^2\\.2/", False),
        ("IfFile /etc/a.conf", True),
        ("IfFile a.conf", True),
        ("IfFile !b.conf", True),
        ("IfDirective Listen", True),
        ("IfDirective !Listen", False),
        ("IfSection Directory", True),
        ("IfSection Proxy", False),
    ],
)
def test_conditions_are_decided_like_httpds(condition: str, taken: bool) -> None:
    name = condition.split(maxsplit=1)[0]
    tree, problems = read(f"<{condition}>\nA\n</{name}>\nB\n", defined=("X",), environment={"HOME": "/root"})
    assert (tree, problems) == ((["A", "B"] if taken else ["B"]), [])


def test_what_a_condition_leaves_out_need_not_make_sense() -> None:
    tree, problems = read(
        '<IfModule no>\nInclude nothing\n${X}\n<Foo "x>\n<IfModule x>\n</IfModule>\n</Foo>\n</IfModule>\n'
    )
    assert (tree, problems) == ([], [])


@pytest.mark.parametrize(
    "condition", ["IfModule", "IfModule a b", "IfDefine !", "IfVersion >= x", "IfVersion ? 2.4", "IfVersion ~ ("]
)
def test_a_condition_that_cannot_be_meant_is_an_error(condition: str) -> None:
    problems = read(f"<{condition}>\nA\n</{condition.split(maxsplit=1)[0]}>\n")[1]
    assert [text.startswith("/etc/a.conf:1: error: <If") for text in problems] == [True]


# --- Sections that do not fit


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("<Directory /x>\nA\n", ["1: error: <Directory>: the section is not closed in /etc/a.conf"]),
        ("A\n</Directory>\n", ["2: error: </Directory> ends a section that was not begun in this file"]),
        (
            "<Directory /x>\nA\n</Directoy>\n",
            ["3: error: </Directoy> ends a section that was not begun in this file; did you mean Directory?"],
        ),
        (
            "<VirtualHost *>\n<Files x>\n</VirtualHost>\n",
            ["2: error: <Files>: the section is not closed before </VirtualHost> in line 3"],
        ),
        ("<Directory /x\n</Directory>\n", ["1: error: <Directory>: the > at the end of the line is missing"]),
        ("<Directory /x> # y\n</Directory>\n", ["1: warning: <Directory>: what follows the > is ignored: '# y'"]),
        ("<>\nA\n", ["1: error: '<>' is no section; write <Name argument>"]),
        ("<Files x>\n</Files\n", ["2: error: '</Files': the > is missing"]),
        ("<Files x>\n</Files # y\n", ["2: error: '</Files # y': the > is missing"]),
        ("<Files x>\n</Files>  # y\n", ["2: warning: </Files>: what follows the > is ignored: '# y'"]),
        ("<IfModule no>\n</IfModule> # y\n", ["2: warning: </IfModule>: what follows the > is ignored: '# y'"]),
        ("<IfModule so>\n</IfModule> # y\n", ["2: warning: </IfModule>: what follows the > is ignored: '# y'"]),
        ("<IfModule no>\n<A>\n</A> # y\n</IfModule>\n", []),
        ("<Files x>\n</Files># y\n", ["2: error: '</Files># y': a comment begins a line; put it into one of its own"]),
        ("<Files x>\n</Files>>\n", ["2: error: '</Files>>': nothing may follow the >"]),
    ],
)
def test_a_section_that_does_not_fit_is_reported_once(text: str, wrong: list[str]) -> None:
    assert read(text)[1] == [f"/etc/a.conf:{line}" for line in wrong]


def test_sections_are_not_nested_without_end() -> None:
    problems = read("<A x>\n" * (DEEPEST_SECTION + 1) + "</A>\n" * (DEEPEST_SECTION + 1))[1]
    assert problems == [f"/etc/a.conf:{DEEPEST_SECTION + 1}: error: <A>: sections are nested more than 64 deep"]


def test_an_open_quotation_mark_is_a_warning() -> None:
    assert read('A "b c\n') == (
        ['A "b c'],
        ["/etc/a.conf:1: warning: A: a quotation mark is not closed; it is taken as closed here"],
    )


def test_all_errors_are_found_at_once() -> None:
    assert len(read("</A>\nInclude gone\n<B x\n</B>\nDefine\nZ \0\n<C>\n")[1]) == 6


# --- What is passed over


def test_a_host_that_a_missing_module_takes_away_is_told_once() -> None:
    """certbot writes whole sites into <IfModule mod_ssl.c>."""
    text = (
        "A\n<IfModule mod_ssl.c>\n<VirtualHost *:443>\nSSLEngine on\nWSGIProcessGroup a\n<Directory /a>\n"
        "WSGIProcessGroup b\n</Directory>\n</VirtualHost>\n</IfModule>\n"
    )
    (problem,) = read(text)[1]
    assert problem == (
        "/etc/a.conf:2: warning: <IfModule>: there is no module mod_ssl.c here, so this is passed over: <VirtualHost> "
        "(line 3), WSGIProcessGroup (line 5); write outside of it what is to count"
    )


@pytest.mark.parametrize(
    "line", ["XSendFile On", "AuthType Basic", "RemoteIPHeader X-Forwarded-For", "wsgiscriptalias"]
)
def test_what_would_be_missed_besides_is_told_too(line: str) -> None:
    assert len(read(f"<IfModule no>\n<IfModule so>\n{line} x\n</IfModule>\n</IfModule>\n")[1]) == 1


@pytest.mark.parametrize(
    "condition", ["IfModule !so", "IfModule !pydaemonwsgi", "IfDefine SSL", "IfVersion < 2.4", "IfFile /gone"]
)
def test_what_httpd_would_pass_over_as_well_is_not_told(condition: str) -> None:
    name = condition.split(maxsplit=1)[0]
    assert read(f"<{condition}>\n<VirtualHost *>\n</VirtualHost>\n</{name}>\n")[1] == []


def test_what_says_nothing_of_a_site_is_passed_over_without_a_word() -> None:
    assert read("<IfModule no>\nStartServers 5\n#<VirtualHost *>\n<Directory /x>\n</Directory>\n</IfModule>\n")[1] == []


# --- Include


def test_the_null_device_is_an_empty_file() -> None:
    """mod_wsgi-express includes it where there is nothing to include."""
    assert read("A\nInclude /dev/null\nInclude /dev/null\nB\n") == (["A", "B"], [])


def test_a_file_is_included_where_it_is_named_relative_to_the_server_root() -> None:
    tree, problems = read("A\nInclude sub/b.conf\nC\n", {"/etc/sub/b.conf": "B\n"})
    assert (tree, problems) == (["A", "B", "C"], [])


def test_a_server_root_counts_from_where_it_is_written() -> None:
    tree, _ = read("Include b\nServerRoot /srv\nInclude b\n", {"/etc/b": "B1\n", "/srv/b": "B2\n"})
    assert tree == ["B1", "ServerRoot /srv", "B2"]


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("d", ["B", "C", "D", "E"]),
        ("d/*", ["B", "C", "D", "E"]),
        ("d/*.conf", ["B", "C"]),
        ("d/[a-b].conf", ["B"]),
        ("*/c.conf", ["C"]),
        ("/etc/d/e/d.conf", ["D"]),
    ],
)
def test_directories_and_patterns_are_included_in_the_order_of_names(argument: str, found: list[str]) -> None:
    others = {"/etc/d/b.conf": "B\n", "/etc/d/c.conf": "C\n", "/etc/d/e/d.conf": "D\n", "/etc/d/f~": "E\n"}
    assert read(f"Include {argument}\n", others) == (found, [])


def test_a_pattern_does_not_find_hidden_files() -> None:
    assert read("Include d/*\n", {"/etc/d/.b": "B\n", "/etc/d/c": "C\n"})[0] == ["C"]


@pytest.mark.parametrize("argument", ["gone.conf", "gone/*.conf", "*.gone"])
def test_what_is_not_there_is_an_error_unless_it_is_optional(argument: str) -> None:
    (problem,) = read(f"Include {argument}\n")[1]
    assert problem.startswith(f"/etc/a.conf:1: error: Include: {posixpath.join('/etc', argument)}")
    assert read(f"IncludeOptional {argument}\n") == ([], [])


def test_a_loop_of_includes_is_an_error_that_shows_it() -> None:
    tree, problems = read("Include b\nA\n", {"/etc/b": "B\nInclude a.conf\n"})
    assert tree == ["B", "A"]
    assert problems == [
        "/etc/b:2: error: Include: the file includes itself: /etc/a.conf includes /etc/b includes /etc/a.conf"
    ]


def test_a_section_ends_in_the_file_in_which_it_begins() -> None:
    problems = read("<Files x>\nInclude b\n</Files>\n", {"/etc/b": "</Files>\n<Files y>\n"})[1]
    assert [text.partition(": ")[0] for text in problems] == ["/etc/b:1", "/etc/b:2"]


def test_what_is_included_in_a_section_stands_in_it() -> None:
    assert read("<Files x>\nInclude b\n</Files>\n", {"/etc/b": "B\n"})[0] == [("Files x", ["B"])]


def test_files_that_include_one_another_over_and_over_come_to_an_end() -> None:
    others = {f"/etc/{depth}": f"Include {depth + 1}\n" * 3 for depth in range(20)}
    problems = read("Include 0\n", {**others, "/etc/20": ""})[1]
    assert any("more than 10000 files are included" in text for text in problems)


def test_a_missing_file_is_an_error_that_names_it() -> None:
    problems = Problems()
    Reader(FilesInMemory({}), problems, server_root="/").read("/gone.conf")
    assert [str(problem) for problem in problems.found] == [
        "/gone.conf:1: error: /gone.conf cannot be read: No such file or directory"
    ]


# --- Whatever comes

FRAGMENTS = st.sampled_from(
    [
        b"<IfModule x>",
        b"</IfModule>",
        b"<A",
        b">",
        b"</A>",
        b"Include ",
        b"a.conf",
        b"Define X ",
        b"${X}",
        b"\\\n",
        b'"',
        b"\n",
    ]
)


@given(st.lists(st.one_of(FRAGMENTS, st.binary(max_size=6)), max_size=40).map(b"".join))
def test_the_reader_never_crashes(content: bytes) -> None:
    problems = Problems()
    Reader(FilesInMemory({"/a.conf": content}), problems, server_root="/").read("/a.conf")
    assert all(problem.severity in Severity for problem in problems.found)


@pytest.mark.parametrize("name", ["core.c", "mod_so.c", "so_module", "mod_headers", "http_core.c"])
def test_modules_are_known_by_all_their_names(name: str) -> None:
    assert has_module(name)


def test_a_version_needs_digits() -> None:
    with pytest.raises(BadValueError, match="is not a version"):
        has_version([">=", "two"])
