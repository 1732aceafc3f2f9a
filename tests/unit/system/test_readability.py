"""readability: which path component stops the run-as user."""

import errno
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pydaemonwsgi.system import readability
from pydaemonwsgi.system.readability import check_readable_as, explain_unreadable
from tests.unit.system.in_child import NOBODY, as_nobody, needs_root, nobody


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody may enter and read."""
    path = Path(os.path.realpath(tempfile.mkdtemp()))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


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


@needs_root
def test_check_reports_groups_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails while the child becomes the user is not said of a root directory that nobody asked for."""

    def refuse() -> list[int]:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "getgroups", refuse)

    (message,) = check_readable_as(nobody(), [("/", "root")])

    assert message.startswith("cannot become user nobody: ")


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
    monkeypatch.setattr(readability, "drop_privileges", lambda identity: end())

    (message,) = check_readable_as(nobody(), [("/", "root")])

    assert message.startswith("cannot tell what user nobody may read")
    assert word in message


def test_check_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that hangs on a dead file system is killed and said."""
    monkeypatch.setattr(readability, "_CHECK_TIMEOUT", 0.05)
    monkeypatch.setattr(readability, "drop_privileges", lambda identity: time.sleep(60))

    (message,) = check_readable_as(nobody(), [("/", "root")])

    assert "file system that hangs" in message


def test_check_works_with_ignored_sigchld(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where children are reaped by the kernel the answer counts, and its absence is said."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        monkeypatch.setattr(readability, "drop_privileges", lambda identity: None)
        assert check_readable_as(nobody(), [("/", "root")]) == []
        monkeypatch.setattr(readability, "drop_privileges", lambda identity: os._exit(0))
        assert "ended without an answer" in check_readable_as(nobody(), [("/", "root")])[0]
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_check_leaves_no_descriptor_and_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checking leaks neither a descriptor nor a zombie."""
    monkeypatch.setattr(readability, "drop_privileges", lambda identity: None)
    before = sorted(os.listdir("/proc/self/fd"))
    children = {child.pid for child in psutil.Process().children()}

    check_readable_as(nobody(), [("/", "root")])

    assert sorted(os.listdir("/proc/self/fd")) == before
    assert {child.pid for child in psutil.Process().children()} <= children
