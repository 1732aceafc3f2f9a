"""identities: who to run as, and the environment of whom."""

import grp
import os

import pytest

from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.system.identities import Identity, group_id, identity_environment, resolve_identity, user_id
from tests.unit.system.in_child import NOBODY, in_child, needs_root, nobody


def test_resolve_name_gives_everything_of_the_user() -> None:
    """A user's name gives uid, primary group, all groups, name and home of the user database."""
    identity = nobody()

    assert identity.uid == NOBODY.pw_uid
    assert identity.gid == NOBODY.pw_gid
    assert set(identity.groups) == {NOBODY.pw_gid, *os.getgrouplist("nobody", NOBODY.pw_gid)}
    assert identity.user_name == "nobody"
    assert identity.home == NOBODY.pw_dir


def test_resolve_numbers_are_the_same_as_names() -> None:
    """`#uid` and `#gid` mean the same as the names."""
    group = grp.getgrgid(NOBODY.pw_gid).gr_name

    assert resolve_identity(f"#{NOBODY.pw_uid}", f"#{NOBODY.pw_gid}", []) == resolve_identity("nobody", group, [])


def test_resolve_given_groups_are_exactly_the_groups() -> None:
    """Given supplementary groups replace the database's: the list is the group and these, each once."""
    identity = resolve_identity("nobody", "#7", ["#9", "#8", "#7", "#9"])

    assert identity.gid == 7
    assert identity.groups == (7, 9, 8)


def test_resolve_empty_groups_leave_the_group_only() -> None:
    """An empty list of supplementary groups takes all of them away but the group."""
    assert resolve_identity("nobody", None, []).groups == (NOBODY.pw_gid,)


def test_resolve_uses_initgroups_with_the_given_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without supplementary groups the database's list for this user and this group is taken."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getgrouplist", lambda user, gid: [gid, 71, 72] if user == "nobody" else [])

    assert resolve_identity("nobody", "#5", None).groups == (5, 71, 72)


@pytest.mark.parametrize(
    ("user", "group", "groups", "words"),
    [
        ("nobodi", None, None, ["user 'nobodi' does not exist", "did you mean 'nobody'?"]),
        ("65534", None, None, ["user '65534' does not exist", "a number is written #65534"]),
        ("", None, None, ["user '' does not exist"]),
        ("a\0b", None, None, ["does not exist"]),
        ("#", None, None, ["user '#' does not exist"]),
        ("#4123123123", None, None, ["no user with uid 4123123123"]),
        ("#4294967295", None, None, ["no user with uid"]),
        ("#99999999999999999999", None, None, ["no user with uid"]),
        ("root", None, None, ["user 'root' is root (uid 0)"]),
        ("#0", None, None, ["user '#0' is root (uid 0)"]),
        ("#00", None, None, ["is root (uid 0)"]),
        ("nobody", "daemno", None, ["group 'daemno' does not exist", "did you mean 'daemon'?"]),
        ("nobody", "#4294967295", None, ["group '#4294967295': a gid is below"]),
        ("nobody", "#-1", None, ["group '#-1' does not exist"]),
        ("nobody", None, ["#5", "no such group at all"], ["group 'no such group at all' does not exist"]),
    ],
)
def test_resolve_refuses_with_one_clear_line(
    user: str, group: str | None, groups: list[str] | None, words: list[str]
) -> None:
    """An unknown name and root are refused in one line with the nearest known name."""
    with pytest.raises(ConfigurationError) as caught:
        resolve_identity(user, group, groups)

    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@needs_root
def test_resolve_without_user_refuses_root() -> None:
    """A root process without a user to run as is refused and told to name one."""
    with pytest.raises(ConfigurationError, match="started as root without a user"):
        resolve_identity(None, None, None)


@needs_root
def test_resolve_without_user_is_the_current_identity() -> None:
    """Without a user an ordinary process is itself, with the groups it really has."""

    def act() -> object:
        os.setgroups([41, 42])
        os.setresgid(43, 43, 43)
        os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, NOBODY.pw_uid)
        return [resolve_identity(None, None, None), resolve_identity("nobody", None, None)]

    expected = Identity(NOBODY.pw_uid, 43, (43, 41, 42), "nobody", NOBODY.pw_dir)
    assert in_child(act) == str([expected, expected])


@needs_root
def test_resolve_current_identity_needs_no_database() -> None:
    """A process whose uid is in no user database is `#uid` with the HOME of its environment."""

    def act() -> object:
        os.environ["HOME"] = "/app"
        os.setgroups([])
        os.setresgid(7, 7, 7)
        os.setresuid(123456, 123456, 123456)
        return resolve_identity(None, None, None)

    assert in_child(act) == str(Identity(123456, 7, (7,), "#123456", "/app"))


def test_user_and_group_ids_are_looked_up() -> None:
    """A name and a number mean the same; root is a user like any other here."""
    assert user_id("root") == user_id("#0") == 0
    assert group_id(grp.getgrgid(0).gr_name) == group_id("#0") == 0


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {"HOME": "/h"}),
        ({"HOME": "/root", "A": "1"}, {"HOME": "/h", "A": "1"}),
        ({"USER": "root"}, {"HOME": "/h", "USER": "jack"}),
        ({"LOGNAME": "r", "USERNAME": ""}, {"HOME": "/h", "LOGNAME": "jack", "USERNAME": "jack"}),
    ],
)
def test_identity_environment_replaces_home_and_present_names(
    environ: dict[str, str], expected: dict[str, str]
) -> None:
    """HOME is always the user's; USER, USERNAME and LOGNAME only if they were there."""
    before = dict(environ)

    assert identity_environment(Identity(5, 5, (5,), "jack", "/h"), environ) == expected
    assert environ == before
