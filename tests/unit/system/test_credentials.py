"""credentials: who to run as, becoming it for good, and which path component stops it.

What changes credentials runs in a forked child, so the test process keeps its own.
"""

import errno
import grp
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pydaemonwsgi.errors import ConfigurationError, PrivilegeError
from pydaemonwsgi.system import credentials
from pydaemonwsgi.system.credentials import (
    PRIVILEGE_EXIT_STATUS,
    Identity,
    check_readable_as,
    drop_privileges,
    explain_unreadable,
    identity_environment,
    resolve_identity,
    set_no_new_privs,
)

NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root")
needs_user = pytest.mark.skipif(os.geteuid() == 0, reason="needs to be started as an ordinary user")


def in_child(act: Callable[[], object]) -> str:
    """What `act` returns in a forked child, or the exception it raised, as text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                answer = str(act())
            except BaseException as error:
                answer = f"{type(error).__name__}: {error}"
            os.write(writer, answer.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = file.read().decode()
    os.waitpid(child, 0)
    return answer


def as_nobody(act: Callable[[], object]) -> str:
    """What `act` returns in a child that has become nobody."""

    def dropped() -> object:
        drop_privileges(nobody())
        return act()

    return in_child(dropped)


def nobody() -> Identity:
    return resolve_identity("nobody", None, None)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody may enter and read."""
    path = Path(os.path.realpath(tempfile.mkdtemp()))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


# -- resolving ---------------------------------------------------------------------------


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


# -- the environment ---------------------------------------------------------------------


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


# -- becoming ----------------------------------------------------------------------------


@needs_root
def test_drop_gives_up_everything() -> None:
    """After the drop all ids, groups, capabilities are the user's and no_new_privs is set."""

    def act() -> object:
        status = Path("/proc/self/status").read_text()
        facts = {line.split(":")[0]: line.split(":")[1].split() for line in status.splitlines()}
        return [
            os.getresuid(),
            os.getresgid(),
            sorted(os.getgroups()),
            facts["Uid"],
            facts["NoNewPrivs"],
            facts["CapEff"],
            facts["CapPrm"],
        ]

    uid, gid = NOBODY.pw_uid, NOBODY.pw_gid
    assert as_nobody(act) == str(
        [(uid,) * 3, (gid,) * 3, sorted(nobody().groups), [str(uid)] * 4, ["1"], ["0" * 16], ["0" * 16]]
    )


@needs_root
def test_drop_sets_exactly_the_groups() -> None:
    """Root's supplementary groups are gone, the identity's are there."""

    def act() -> object:
        os.setgroups([0, 1, 2, 3])
        drop_privileges(resolve_identity("nobody", "#77", ["#88"]))
        return [os.getgid(), sorted(os.getgroups())]

    assert in_child(act) == "[77, [77, 88]]"


@needs_root
def test_drop_happens_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups come first, then the group ids, then the user ids, then the attempts to come back."""
    order: list[str] = []

    def noting(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: object) -> object:
            order.append(name)
            return real(*arguments)

        monkeypatch.setattr(os, name, call)

    def act() -> object:
        for name in ("setgroups", "setresgid", "setresuid", "setuid"):
            noting(name)
        drop_privileges(nobody())
        return order[:4]

    assert in_child(act) == "['setgroups', 'setresgid', 'setresuid', 'setuid']"


@needs_root
@pytest.mark.parametrize("number", [errno.EPERM, errno.EAGAIN, errno.EINVAL])
@pytest.mark.parametrize("name", ["setgroups", "setresgid", "setresuid"])
def test_drop_failing_call_is_fatal(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """A call that fails raises PrivilegeError with its name and its errno (CVE-2014-0240, CVE-2014-8583)."""

    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, refuse)

    answer = in_child(lambda: drop_privileges(nobody()))

    assert answer.startswith(f"PrivilegeError: {name}(")
    assert errno.errorcode[number] in answer


@needs_root
@pytest.mark.parametrize(
    ("name", "read_back"),
    [("setgroups", "getgroups"), ("setresgid", "getresgid"), ("setresuid", "getresuid")],
)
def test_drop_call_without_effect_is_fatal(monkeypatch: pytest.MonkeyPatch, name: str, read_back: str) -> None:
    """A call that reports success and does nothing is found by reading back."""
    monkeypatch.setattr(os, name, lambda *arguments: None)

    def act() -> None:
        drop_privileges(resolve_identity("nobody", "#77", ["#88"]))

    assert in_child(act).startswith(f"PrivilegeError: privileges not given up: {read_back} says")


@needs_root
@pytest.mark.parametrize("name", ["setuid", "seteuid"])
def test_drop_possible_way_back_is_fatal(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """If any attempt to become root again succeeds, the drop has failed."""
    monkeypatch.setattr(os, name, lambda uid: None)

    answer = in_child(lambda: drop_privileges(nobody()))

    assert answer.startswith(f"PrivilegeError: privileges not given up: {name}(0) succeeded")


@needs_root
@pytest.mark.parametrize(("name", "uid"), [("setresuid", 0), ("setresgid", 0)])
def test_drop_possible_return_of_ids_is_fatal(monkeypatch: pytest.MonkeyPatch, name: str, uid: int) -> None:
    """If root's ids can be set again by setresuid or setresgid, the drop has failed."""
    real = getattr(os, name)
    monkeypatch.setattr(os, name, lambda *ids: real(*ids) if uid not in ids else None)

    answer = in_child(lambda: drop_privileges(nobody()))

    assert answer.startswith(f"PrivilegeError: privileges not given up: {name}(0, 0, 0) succeeded")


@needs_root
def test_drop_saved_root_is_a_way_back() -> None:
    """A saved uid 0 that a partial drop leaves behind is found."""

    def act() -> None:
        real = os.setresuid
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "setresuid", lambda r, e, s: real(r, e, 0))
            patch.setattr(os, "getresuid", iter([(0, 0, 0), (NOBODY.pw_uid,) * 3]).__next__)
            drop_privileges(nobody())

    assert "succeeded" in in_child(act)


@needs_root
def test_drop_kept_capabilities_are_fatal() -> None:
    """Capabilities that survive the change of user (SECBIT_KEEP_CAPS) are found."""

    def act() -> None:
        credentials._prctl(8, 1)  # PR_SET_KEEPCAPS
        drop_privileges(nobody())

    answer = in_child(act)

    assert answer.startswith("PrivilegeError: privileges not given up: /proc/self/status says CapPrm")


@needs_root
@pytest.mark.parametrize(
    "status",
    [b"", b"CapEff:\t0000000000000001\nCapPrm:\t0000000000000000\n", b"CapEff:\t0000000000000000\n"],
)
def test_drop_needs_proof_of_empty_capabilities(monkeypatch: pytest.MonkeyPatch, status: bytes) -> None:
    """A capability, or a status that does not tell, is fatal."""
    monkeypatch.setattr(credentials, "_process_status", lambda: status)

    answer = in_child(lambda: drop_privileges(nobody()))

    assert answer.startswith("PrivilegeError: privileges not given up: /proc/self/status says Cap")


@needs_root
def test_drop_without_proc_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc there is no proof, so the drop has failed."""

    def refuse() -> bytes:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(credentials, "_process_status", refuse)

    assert "open(/proc/self/status) failed: ENOENT" in in_child(lambda: drop_privileges(nobody()))


def test_no_new_privs_failure_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that refuses no_new_privs ends the process."""

    def refuse(option: int, argument: int) -> int:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(credentials, "_prctl", refuse)

    with pytest.raises(PrivilegeError, match=r"prctl\(PR_SET_NO_NEW_PRIVS\) failed: EPERM"):
        set_no_new_privs()


def test_no_new_privs_without_effect_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    """no_new_privs that reports success and is not set is found by reading back."""
    monkeypatch.setattr(credentials, "_prctl", lambda option, argument: 0)

    with pytest.raises(PrivilegeError, match="is not set"):
        set_no_new_privs()


def test_no_new_privs_is_set() -> None:
    """The kernel reports no_new_privs for the process that set it."""

    def act() -> object:
        set_no_new_privs()
        return "NoNewPrivs:\t1\n" in Path("/proc/self/status").read_text()

    assert in_child(act) == "True"


def test_prctl_reports_errno() -> None:
    """A prctl that the kernel does not know raises OSError with its errno."""
    with pytest.raises(OSError, match="Invalid argument"):
        credentials._prctl(987654, 0)


@pytest.mark.parametrize(
    "identity",
    [
        Identity(0, 0, (0,), "root", "/root"),
        Identity(0, 5, (5,), "root", "/root"),
        Identity(-1, 5, (5,), "x", "/"),
        Identity(2**32 - 1, 5, (5,), "x", "/"),
        Identity(5, 2**32 - 1, (5,), "x", "/"),
        Identity(5, 5, (-1,), "x", "/"),
    ],
)
def test_drop_refuses_ids_that_change_nothing(identity: Identity) -> None:
    """Root, and the id that means "leave as it is", are never run as."""
    assert "is not an identity to run as" in in_child(lambda: drop_privileges(identity))


@needs_root
def test_drop_of_the_own_identity_only_sets_no_new_privs() -> None:
    """A process that is not root and already is the identity passes and gets no_new_privs."""

    def act() -> object:
        drop_privileges(nobody())  # again, now without being root
        return "NoNewPrivs:\t1\n" in Path("/proc/self/status").read_text()

    assert as_nobody(act) == "True"


@needs_user
def test_drop_as_ordinary_user_is_a_check_only() -> None:
    """An ordinary user's process can be what it is."""

    def act() -> object:
        drop_privileges(resolve_identity(None, None, None))
        return "fine"

    assert in_child(act) == "fine"


@needs_root
@pytest.mark.parametrize(
    ("change", "call"),
    [({"uid": 1}, "getresuid"), ({"gid": 1}, "getresgid"), ({"groups": (1,)}, "getgroups")],
)
def test_drop_to_another_identity_needs_root(change: dict[str, object], call: str) -> None:
    """A process that is not root cannot become somebody else, nor get other groups."""

    def act() -> None:
        mine = nobody()
        values = {"uid": mine.uid, "gid": mine.gid, "groups": mine.groups, **change}
        drop_privileges(Identity(**values, user_name="x", home="/"))  # type: ignore[arg-type]

    answer = as_nobody(act)

    assert answer.startswith("PrivilegeError: only root can become user x")
    assert call in answer


@needs_root
def test_drop_with_hidden_root_is_not_taken_for_an_ordinary_user() -> None:
    """A process that keeps root in its real or saved uid is no ordinary user: the calls are made and fail."""

    def act() -> None:
        os.seteuid(NOBODY.pw_uid)
        drop_privileges(nobody())

    assert in_child(act).startswith("PrivilegeError: setgroups(")


def test_privilege_exit_status_is_distinct() -> None:
    """The exit status is EX_NOPERM, which is neither Python's nor a signal's."""
    assert PRIVILEGE_EXIT_STATUS == 77


# -- what it may not read ----------------------------------------------------------------


@needs_root
def test_explain_names_the_directory_that_stops() -> None:
    """A directory without search permission is named with mode, owner, user and what to do."""
    with tempfile.TemporaryDirectory() as place:
        closed = Path(os.path.realpath(place))
        (closed / "app.wsgi").write_text("")

        answer = as_nobody(lambda: explain_unreadable(f"{closed}/app.wsgi", want="read"))

    assert answer == (
        f"{closed} is drwx------ root:root: user nobody (uid {NOBODY.pw_uid}) may not enter it; "
        f"chmod o+x {closed} or move {closed}/app.wsgi elsewhere"
    )


@needs_root
def test_explain_names_the_first_component(public: Path) -> None:
    """Of several closed directories the first one on the way is named."""
    (public / "a/b").mkdir(parents=True)
    (public / "a/b").chmod(0)
    (public / "a").chmod(0)

    answer = as_nobody(lambda: explain_unreadable(f"{public}/a/b/c", want="read"))

    assert answer.startswith(f"{public}/a is d--------- ")


@needs_root
@pytest.mark.parametrize(
    ("mode", "owner", "group", "want", "verb", "remedy"),
    [
        (0o640, 0, 0, "read", "read it", "chmod o+r"),
        (0o604, 0, NOBODY.pw_gid, "read", "read it", "chmod g+r"),
        (0o044, NOBODY.pw_uid, 0, "read", "read it", "chmod u+r"),
        (0o644, 0, 0, "execute", "execute it", "chmod o+x"),
    ],
)
def test_explain_says_what_to_change(
    public: Path, mode: int, owner: int, group: int, want: str, verb: str, remedy: str
) -> None:
    """The remedy is for the one permission class that the kernel looks at for this user."""
    file = public / "file"
    file.write_text("")
    os.chown(file, owner, group)
    file.chmod(mode)

    answer = as_nobody(lambda: explain_unreadable(str(file), want=want))  # type: ignore[arg-type]

    assert f"may not {verb}; {remedy} {file}" in answer


@needs_root
def test_explain_directory_must_be_listed_and_entered(public: Path) -> None:
    """`read` of a directory needs r and x, `search` only x."""
    listed, entered = public / "listed", public / "entered"
    for directory, mode in ((listed, 0o744), (entered, 0o711)):
        directory.mkdir()
        directory.chmod(mode)

    def act() -> object:
        return [
            "chmod o+x" in str(explain_unreadable(str(listed), want="read")),
            "chmod o+r" in str(explain_unreadable(str(entered), want="read")),
            explain_unreadable(str(entered), want="search"),
        ]

    assert as_nobody(act) == "[True, True, None]"


@needs_root
def test_explain_follows_links(public: Path) -> None:
    """A link into a closed directory names that directory, also through relative links and `..`."""
    closed = public / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("")
    (public / "sub").mkdir()
    (public / "sub").chmod(0o755)
    (public / "sub/relative").symlink_to("../closed/file")
    (public / "absolute").symlink_to(public / "sub/relative")

    answer = as_nobody(lambda: explain_unreadable(f"{public}/./sub/..//absolute", want="read"))

    assert answer.startswith(f"{closed} is drwx------ ")


def test_explain_nothing_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that can be read, absolute or relative, has no explanation."""
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    monkeypatch.chdir(tmp_path)

    assert explain_unreadable(str(tmp_path / "file"), want="read") is None
    assert explain_unreadable("link", want="read") is None
    assert explain_unreadable("/", want="read") is None
    assert explain_unreadable(".", want="search") is None


@pytest.mark.parametrize(
    ("path", "want", "sentence"),
    [
        ("none/x", "read", "{0}/none does not exist"),
        ("file/x", "read", "{0}/file is not a directory, so there is no {0}/file/x"),
        ("dangling", "read", "{0}/nowhere does not exist"),
        ("circle", "read", "{0}/circle is a symbolic link in a circle: {0}/circle leads nowhere"),
        ("file", "search", "{0}/file is not a directory"),
        (".", "execute", "{0} is a directory, not a program"),
        ("n" * 300, "read", "{0}/" + "n" * 300 + ": File name too long"),
    ],
)
def test_explain_what_cannot_be(tmp_path: Path, path: str, want: str, sentence: str) -> None:
    """Missing files, dangling and circular links and wrong kinds of file are said as such."""
    place = Path(os.path.realpath(tmp_path))
    (place / "file").write_text("")
    (place / "dangling").symlink_to("nowhere")
    (place / "circle").symlink_to("circle")

    answer = explain_unreadable(f"{place}/{path}", want=want)  # type: ignore[arg-type]

    assert answer == sentence.format(place)


def test_explain_admits_that_the_mode_is_not_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the mode allows and the kernel refuses, an access list or a security module is named."""
    file = tmp_path / "file"
    file.write_text("")
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: real(path, mode) and path != str(file))

    assert "an access list, a mount option or a security module" in str(explain_unreadable(str(file), want="read"))


@needs_root
def test_check_reports_what_the_user_cannot_read(public: Path) -> None:
    """One sentence per unreadable path with what it is for; readable ones are not mentioned."""
    good, bad = public / "good", public / "bad"
    for file, mode in ((good, 0o644), (bad, 0o600)):
        file.write_text("")
        file.chmod(mode)

    messages = check_readable_as(
        nobody(), [(str(good), "the script"), (str(bad), "the script")], executables=[(str(good), "the tool")]
    )

    assert [message.split(":")[0] for message in messages] == [f"the script {bad}", f"the tool {good}"]
    assert f"chmod o+r {bad}" in messages[0]
    assert f"chmod o+x {good}" in messages[1]
    assert os.geteuid() == 0


@needs_root
def test_check_reports_many_paths(public: Path) -> None:
    """More findings than a pipe holds come back complete."""
    assert len(check_readable_as(nobody(), [(f"{public}/{n}", "file") for n in range(3000)])) == 3000


@needs_root
def test_check_reports_a_drop_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the child cannot become the user, that is the message."""

    def refuse(*ids: int) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "setresuid", refuse)

    (message,) = check_readable_as(nobody(), [("/", "root")])

    assert message.startswith("cannot become user nobody: setresuid(")
    assert "EAGAIN" in message


@pytest.mark.parametrize(
    ("end", "word"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by signal 9"),
        (lambda: os._exit(5), "ended with status 5"),
        (lambda: 1 // 0, "ended with status 1"),
    ],
)
def test_check_reports_the_death_of_its_child(
    monkeypatch: pytest.MonkeyPatch, end: Callable[[], None], word: str
) -> None:
    """A child that dies before it answers becomes a message."""
    monkeypatch.setattr(credentials, "drop_privileges", lambda identity: end())

    (message,) = check_readable_as(nobody(), [("/", "root")])

    assert message.startswith("cannot tell what user nobody may read")
    assert word in message


def test_check_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that hangs on a dead file system is killed and said."""
    monkeypatch.setattr(credentials, "_CHECK_TIMEOUT", 0.05)
    monkeypatch.setattr(credentials, "drop_privileges", lambda identity: time.sleep(60))

    (message,) = check_readable_as(nobody(), [("/", "root")])

    assert "file system that hangs" in message


def test_check_works_with_ignored_sigchld(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where children are reaped by the kernel the answer counts, and its absence is said."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        monkeypatch.setattr(credentials, "drop_privileges", lambda identity: None)
        assert check_readable_as(nobody(), [("/", "root")]) == []
        monkeypatch.setattr(credentials, "drop_privileges", lambda identity: os._exit(0))
        assert "ended without an answer" in check_readable_as(nobody(), [("/", "root")])[0]
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_check_leaves_no_descriptor_and_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checking leaks neither a descriptor nor a zombie."""
    monkeypatch.setattr(credentials, "drop_privileges", lambda identity: None)
    before = sorted(os.listdir("/proc/self/fd"))
    children = {child.pid for child in psutil.Process().children()}

    check_readable_as(nobody(), [("/", "root")])

    assert sorted(os.listdir("/proc/self/fd")) == before
    assert {child.pid for child in psutil.Process().children()} <= children


@needs_root
def test_no_new_privs_survives_exec() -> None:
    """A program that the dropped process starts cannot gain privileges either."""

    def act() -> object:
        set_no_new_privs()
        code = "print(open('/proc/self/status').read())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return "NoNewPrivs:\t1\n" in done.stdout

    assert in_child(act) == "True"
