"""Require and its blocks, Order, Allow and Deny.

The answers are those of httpd 2.4.71 with mod_wsgi, asked with the same configuration; where this server means to
differ, the test says so.
"""

import pytest

from tests.helpers.routing import FILES, asked, facts, router, summary

SITE = """
Listen 80
ServerName main.example.com
WSGIDaemonProcess g
WSGIDaemonProcess g2
<VirtualHost *:80>
  ServerName www.site.com
  ServerAlias *.alias.com site
  DocumentRoot /site/htdocs
  WSGIProcessGroup g
  %s
</VirtualHost>
"""


REQUIRE_AN_ADDRESS = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Require ip 127.0.0.1
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "file /site/htdocs/a.txt"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_an_address(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_AN_ADDRESS, request_line) == answer


REQUIRE_THE_BEGINNING_OF_AN_ADDRESS = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Require ip 127
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "file /site/htdocs/a.txt"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_the_beginning_of_an_address(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_THE_BEGINNING_OF_AN_ADDRESS, request_line) == answer


REQUIRE_ANOTHER_NETWORK = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Require ip 10.0.0.0/8
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
        ("POST /a.txt", "403"),
        ("HEAD /sub/x.txt", "403"),
    ],
)
def test_require_another_network(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_ANOTHER_NETWORK, request_line) == answer


REQUIRE_A_NETWORK_WITH_A_MASK = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Require ip 127.0.0.0/255.0.0.0
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "file /site/htdocs/a.txt"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_a_network_with_a_mask(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_A_NETWORK_WITH_A_MASK, request_line) == answer


REQUIRE_LOCAL_CLIENTS = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Require local
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "file /site/htdocs/a.txt"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_local_clients(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_LOCAL_CLIENTS, request_line) == answer


REQUIRE_A_VARIABLE = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Require env E_X
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "403"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_a_variable(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_A_VARIABLE, request_line) == answer


REQUIRE_A_METHOD = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Require method GET
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "403"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_a_method(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_A_METHOD, request_line) == answer


REQUIRE_SEVERAL_ADDRESSES = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Require ip 10 ::1
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
        ("POST /a.txt", "403"),
        ("HEAD /sub/x.txt", "403"),
    ],
)
def test_require_several_addresses(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_SEVERAL_ADDRESSES, request_line) == answer


REQUIRE_ALL_BUT_AN_ADDRESS = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
<RequireAll>
Require all granted
Require not ip 127.0.0.1
</RequireAll>
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
        ("POST /a.txt", "403"),
        ("HEAD /sub/x.txt", "403"),
    ],
)
def test_require_all_but_an_address(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_ALL_BUT_AN_ADDRESS, request_line) == answer


REQUIRE_ALL_BUT_ANOTHER_ADDRESS = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
<RequireAll>
Require all granted
Require not ip 10
</RequireAll>
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "file /site/htdocs/a.txt"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_all_but_another_address(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_ALL_BUT_ANOTHER_ADDRESS, request_line) == answer


REQUIRE_ANY_OF_A_BLOCK = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
<RequireAny>
Require ip 10
Require local
</RequireAny>
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "file /site/htdocs/a.txt"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_any_of_a_block(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_ANY_OF_A_BLOCK, request_line) == answer


REQUIRE_NONE_OF_A_BLOCK = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
<RequireAll>
Require all granted
<RequireNone>
Require ip 10
Require method POST
</RequireNone>
</RequireAll>
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "403"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_none_of_a_block(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_NONE_OF_A_BLOCK, request_line) == answer


REQUIRE_ANY_OF_SEVERAL_LINES = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Require ip 10
Require method GET
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "403"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_any_of_several_lines(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_ANY_OF_SEVERAL_LINES, request_line) == answer


REQUIRE_NESTED_BLOCKS = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
<RequireAll>
<RequireAny>
Require ip 10
Require env E_X
</RequireAny>
Require method GET
</RequireAll>
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /a.txt", "403"),
        ("HEAD /sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_require_nested_blocks(request_line: str, answer: str) -> None:
    assert asked(SITE % REQUIRE_NESTED_BLOCKS, request_line) == answer


ORDER_DENY_ALLOW = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Order deny,allow
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_order_deny_allow(request_line: str, answer: str) -> None:
    assert asked(SITE % ORDER_DENY_ALLOW, request_line) == answer


ORDER_ALLOW_DENY = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Order allow,deny
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
    ],
)
def test_order_allow_deny(request_line: str, answer: str) -> None:
    assert asked(SITE % ORDER_ALLOW_DENY, request_line) == answer


DENY_FROM_ALL = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Order deny,allow
Deny from all
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
    ],
)
def test_deny_from_all(request_line: str, answer: str) -> None:
    assert asked(SITE % DENY_FROM_ALL, request_line) == answer


ALLOW_FROM_ALL = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Order allow,deny
Allow from all
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_allow_from_all(request_line: str, answer: str) -> None:
    assert asked(SITE % ALLOW_FROM_ALL, request_line) == answer


AN_EXCEPTION_TO_DENY = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Order deny,allow
Deny from all
Allow from 127.0.0.1
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_an_exception_to_deny(request_line: str, answer: str) -> None:
    assert asked(SITE % AN_EXCEPTION_TO_DENY, request_line) == answer


AN_EXCEPTION_TO_ALLOW = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Order allow,deny
Allow from 127
Deny from 127.0.0.1
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
    ],
)
def test_an_exception_to_allow(request_line: str, answer: str) -> None:
    assert asked(SITE % AN_EXCEPTION_TO_ALLOW, request_line) == answer


ALLOW_BY_VARIABLE = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Order allow,deny
Allow from env=E_X
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_allow_by_variable(request_line: str, answer: str) -> None:
    assert asked(SITE % ALLOW_BY_VARIABLE, request_line) == answer


DENY_BY_ABSENT_VARIABLE = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Order deny,allow
Deny from env=!E_X
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_deny_by_absent_variable(request_line: str, answer: str) -> None:
    assert asked(SITE % DENY_BY_ABSENT_VARIABLE, request_line) == answer


DENY_A_NETWORK = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Deny from 127.0.0.0/8
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
    ],
)
def test_deny_a_network(request_line: str, answer: str) -> None:
    assert asked(SITE % DENY_A_NETWORK, request_line) == answer


ALLOW_SOMEBODY_ELSE = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Allow from 10
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
    ],
)
def test_allow_somebody_else(request_line: str, answer: str) -> None:
    assert asked(SITE % ALLOW_SOMEBODY_ELSE, request_line) == answer


BOTH_FAMILIES_DENYING_NEW = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Allow from all
Require all denied
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
    ],
)
def test_both_families_denying_new(request_line: str, answer: str) -> None:
    assert asked(SITE % BOTH_FAMILIES_DENYING_NEW, request_line) == answer


BOTH_FAMILIES_DENYING_OLD = r"""
SetEnvIf Request_URI sub E_X=1
<Directory /site/htdocs>
Deny from all
Require all granted
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
    ],
)
def test_both_families_denying_old(request_line: str, answer: str) -> None:
    assert asked(SITE % BOTH_FAMILIES_DENYING_OLD, request_line) == answer


MERGING_OFF = r"""
<Directory /site/htdocs>
Require ip 10
</Directory>
<Directory /site/htdocs/sub>
AuthMerging Off
Require method GET
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /sub/x.txt", "403"),
    ],
)
def test_merging_off(request_line: str, answer: str) -> None:
    assert asked(SITE % MERGING_OFF, request_line) == answer


MERGING_AND = r"""
<Directory /site/htdocs>
Require ip 10
</Directory>
<Directory /site/htdocs/sub>
AuthMerging And
Require method GET
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "403"),
        ("POST /sub/x.txt", "403"),
    ],
)
def test_merging_and(request_line: str, answer: str) -> None:
    assert asked(SITE % MERGING_AND, request_line) == answer


MERGING_OR = r"""
<Directory /site/htdocs>
Require ip 10
</Directory>
<Directory /site/htdocs/sub>
AuthMerging Or
Require method GET
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("POST /sub/x.txt", "403"),
    ],
)
def test_merging_or(request_line: str, answer: str) -> None:
    assert asked(SITE % MERGING_OR, request_line) == answer


A_SECTION_WITH_ORDER_REPLACES_THE_ONE_ABOVE = r"""
<Directory /site/htdocs>
Order deny,allow
Deny from all
</Directory>
<Directory /site/htdocs/sub>
Allow from 127
</Directory>
<Directory /site/htdocs/images>
Order allow,deny
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "403"),
        ("/a.txt", "403"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("/nix", "403"),
        ("/images/i.png", "403"),
        ("/images/", "403"),
    ],
)
def test_a_section_with_order_replaces_the_one_above(request_line: str, answer: str) -> None:
    assert asked(SITE % A_SECTION_WITH_ORDER_REPLACES_THE_ONE_ABOVE, request_line) == answer


MERGED_LOCATIONS = """
SetEnvIf X-Known . known
<Directory /site/htdocs>
Require ip 10
</Directory>
<Location />
Require all granted
</Location>
<Location /sub>
AuthMerging %s
Require env known
</Location>
"""


@pytest.mark.parametrize(("merging", "remote", "answer"), [
    ("And", "127.0.0.1", "403"), ("And", "10.0.0.1", "file /site/htdocs/sub/x.txt"),
    ("Or", "127.0.0.1", "file /site/htdocs/sub/x.txt"),
])  # fmt: skip
def test_locations_are_merged_among_themselves_first(merging: str, remote: str, answer: str) -> None:
    """And then onto what directories say: the first location's Off counts for the other location only."""
    asked = router(SITE % MERGED_LOCATIONS % merging, FILES)
    assert summary(asked.decide(facts("/sub/x.txt", remote=remote, x_known="1"))) == answer
