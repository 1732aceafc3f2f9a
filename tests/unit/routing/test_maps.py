"""Rewrite maps: httpd 2.4.71 was asked first, with the same file."""

import pytest

from pydaemonwsgi.routing.checking import check_routing
from pydaemonwsgi.routing.decisions import Script
from pydaemonwsgi.routing.trace import Trace
from tests.helpers.routing import FakeFiles, ask, facts, router, server

TABLE = """\
# comment
a  one
b two  trailing words

c
#d none
r x|y|z
special/x /target?q=1
  lead value
A\tupper
novalue  \r
novalue this
a second
slash /app/deep/er
url http://else.test/x
page http://else.test/x?y=1
%41 percent
caf\u00e9 accent
last line"""
FILES: dict[str, str | None] = {"/srv/map.txt": TABLE, "/srv/app.wsgi": ""}
SITE = r"""
Listen 80
RewriteMap m txt:/srv/map.txt
RewriteMap lc int:tolower
RewriteMap UC int:toupper
RewriteMap esc int:escape
RewriteMap unesc int:unescape
<VirtualHost *:80>
ServerName www.site.com
WSGIScriptAlias /app /srv/app.wsgi
RewriteEngine On
RewriteMap own /srv/map.txt
RewriteMap none txt:/srv/none.txt
RewriteRule ^/lc/(.*)$ /app/${lc:$1} [PT]
RewriteRule ^/uc/(.*)$ /app/${UC:$1} [PT]
RewriteRule ^/esc/(.*)$ /app/?q=${esc:$1} [PT]
RewriteRule ^/unesc/ /app/${unesc:%{QUERY_STRING}}? [PT]
RewriteRule ^/decode/(.*)$ /app/${unesc:$1} [PT]
RewriteRule ^/allowed/(.*)$ /app/${unesc:$1} [PT,UnsafeAllow3F]
RewriteRule ^/later/(.*)$ /app/?q=${unesc:$1} [PT]
RewriteRule ^/m/(.*)$ /app/[${m:$1}] [PT]
RewriteRule ^/own/(.*)$ /app/[${own:$1}] [PT]
RewriteRule ^/none/(.*)$ /app/[${none:$1|nothing}] [PT]
RewriteRule ^/default/(.*)$ /app/[${m:$1|no-$1}] [PT]
RewriteRule ^/empty/(.*)$ /app/[${m:$1|}] [PT]
RewriteRule ^/bar/(.*)$ /app/${m:$1|$1|x} [PT]
RewriteRule ^/nested/(.*)$ /app/[${m:${lc:$1}|none}] [PT]
RewriteRule ^/other/(.*)$ /app/[${m:$1|${UC:$1}}] [PT]
RewriteRule ^/begin/(.*)$ ${m:$1}/y [PT]
RewriteRule ^/to/(.*)$ ${m:$1} [R]
RewriteRule ^/b/(.*)$ /app/[${m:$1|no}] [PT,B]
RewriteRule ^/open/ /app/${nomap [PT]
RewriteCond ${m:%{HTTP_COOKIE}|NO} !=NO
RewriteRule ^/if /app/yes [PT]
RewriteCond %{REQUEST_URI} ^/([a-z]+)/back
RewriteRule ^/ /app/${m:%1|x-%1} [PT]
</VirtualHost>
"""


@pytest.mark.parametrize(
    ("target", "path_info"),
    [
        ("/lc/ABC\u00c4", "/abc\u00c4"),
        ("/uc/abc\u00e4", "/ABC\u00e4"),
        ("/esc/caf\u00e9+~()", "/?q=caf%c3%a9+~()"),
        ("/esc/a%20b", "/?q=a%20b"),
        ("/unesc/?a%2520b", "/a%20b?"),
        ("/unesc/?a%20b%zz", "/a b%zz?"),
        ("/decode/a%2541b", "/aAb"),
        ("/m/a", "/[one]"),
        ("/m/b", "/[two]"),
        ("/m/c", "/[]"),
        ("/m/zz", "/[]"),
        ("/m/", "/[]"),
        ("/m/r", "/[x|y|z]"),
        ("/m/A", "/[upper]"),
        ("/m/novalue", "/[this]"),
        ("/m/lead", "/[]"),
        ("/m/a%20x", "/[]"),
        ("/m/%23d", "/[]"),
        ("/m/%2541", "/[percent]"),
        ("/m/caf\u00e9", "/[accent]"),
        ("/m/last", "/[line]"),
        ("/own/a", "/[one]"),
        ("/none/a", "/[nothing]"),
        ("/default/zz", "/[no-zz]"),
        ("/default/a", "/[one]"),
        ("/empty/zz", "/[]"),
        ("/bar/zz", "/zz|x"),
        ("/bar/a", "/one"),
        ("/nested/A", "/[one]"),
        ("/nested/Q", "/[none]"),
        ("/other/a", "/[one]"),
        ("/other/zz", "/[ZZ]"),
        ("/begin/slash", "/deep/er/y"),
        ("/b/caf\u00e9", "/[no]"),
        ("/b/a", "/[one]"),
        ("/open/", "/${nomap"),
        ("/r/back", "/x|y|z"),
        ("/q/back", "/x-q"),
    ],
)
def test_a_map_is_looked_up(target: str, path_info: str) -> None:
    assert ask(router(SITE, FILES), target) == f"run /srv/app.wsgi /app {path_info}"


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/to/url", "302 http://else.test/x"),
        ("/to/page", "302 http://else.test/x?y=1"),
        ("/to/page?z=2", "302 http://else.test/x?y=1"),
        # What the client has encoded twice is no separator either, but where the rule says so.
        ("/decode/a%253fb", "403"),
        ("/allowed/a%253fb", "run /srv/app.wsgi /app /a?b"),
        ("/later/a%253fb", "run /srv/app.wsgi /app /?q=a?b"),
    ],
)
def test_a_question_mark_is_the_tables_to_write(target: str, answer: str) -> None:
    assert ask(router(SITE, FILES), target) == answer


def test_a_condition_may_look_things_up_and_answers_vary_by_it() -> None:
    asked = router(SITE, FILES)
    decision = asked.decide(facts("/if", cookie="a"))
    assert isinstance(decision, Script)
    assert (decision.path_info, [edit.name for edit in decision.common.response_edits]) == ("/yes", ["Vary"])
    assert ask(asked, "/if", cookie="q") == "404"


def test_a_table_is_read_again_when_it_has_changed_and_only_then() -> None:
    asked = router(SITE, FILES)
    files = asked._files
    assert isinstance(files, FakeFiles)
    answers = []
    for number, table in enumerate((TABLE, TABLE, "a changed\n", None, "a again\n")):
        if table is None:
            del files.files["/srv/map.txt"]
        else:
            files.files["/srv/map.txt"] = table
        decision = asked.decide(facts("/m/a", now=1000.0 + 2 * number))
        assert isinstance(decision, Script)
        answers.append(decision.path_info)
    assert answers == ["/[one]", "/[one]", "/[changed]", "/[]", "/[again]"]
    assert files.questions.count("read /srv/map.txt") == 4


def test_alternatives_are_chosen_anew_for_each_request() -> None:
    text = SITE.replace("RewriteMap m txt:", "RewriteMap m rnd:")
    asked = router(text, FILES)
    found = set()
    for _ in range(200):
        decision = asked.decide(facts("/m/r"))
        assert isinstance(decision, Script)
        found.add(decision.path_info)
    assert found == {"/[x]", "/[y]", "/[z]"}


def test_a_host_may_have_a_map_of_another_ones_name() -> None:
    text = SITE.replace("RewriteMap own", "RewriteMap m int:toupper\nRewriteMap m int:tolower\nRewriteMap own")
    assert ask(router(text, FILES), "/m/A").endswith("/[a]")


def test_the_rules_of_a_directory_have_the_maps_of_their_host() -> None:
    text = """
Listen 80
RewriteMap m txt:/srv/map.txt
DocumentRoot /srv/htdocs
<Directory /srv/htdocs>
RewriteEngine On
RewriteRule ^old/(.*)$ /${m:$1} [R=301]
</Directory>
"""
    assert ask(router(text, {**FILES, "/srv/htdocs/x": ""}), "/old/a") == "301 http://www.site.com/one"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("RewriteRule ^ ${M:$1}", "${M:$1}: there is no RewriteMap 'M'; did you mean m?"),
        ("RewriteRule ^ ${zzz:${m:$1}}", "${zzz:${m:$1}}: there is no RewriteMap 'zzz'"),
        ("RewriteRule ^ ${m:$1|${zzz:1}}", "${zzz:1}: there is no RewriteMap 'zzz'"),
        ("RewriteRule ^ - [E=A:${zzz:1}]", "${zzz:1}: there is no RewriteMap 'zzz'"),
        ("RewriteCond ${zzz:1} x\nRewriteRule ^ -", "${zzz:1}: there is no RewriteMap 'zzz'"),
        ("RewriteRule ^ ${m:%{X}}", "there is no server variable %{X}"),
        ("RewriteRule ^ ${zzz}", "${zzz}: there is no such variable (Define), and a map is written ${NAME:KEY}"),
    ],
)
def test_a_map_that_is_not_there_is_a_mistake(rule: str, message: str) -> None:
    text = f"Listen 80\nRewriteEngine On\nRewriteMap m txt:/srv/map.txt\n{rule}\n"
    [problem] = check_routing(server(text))
    assert problem.text.startswith(message)
    assert problem.position.line == 4


def test_what_is_found_is_part_of_the_explanation() -> None:
    trace = Trace()
    router(SITE, FILES).explain(facts("/m/a"), trace)
    assert "RewriteMap m: 'a' is 'one'" in [step.text for step in trace.steps]


def test_a_table_of_a_million_lines_is_searched_at_once() -> None:
    """Lines that begin as the key does are not looked at one by one."""
    table = "".join(f"a{number} x\n" for number in range(200_000)) + "a end\n"
    decision = router(SITE, {**FILES, "/srv/map.txt": table}).decide(facts("/m/a"))
    assert isinstance(decision, Script)
    assert decision.path_info == "/[end]"
