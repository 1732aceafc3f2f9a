"""credentials: becoming the run-as user for good."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pydaemonwsgi.errors import PrivilegeError
from pydaemonwsgi.system import credentials
from pydaemonwsgi.system.credentials import PRIVILEGE_EXIT_STATUS, drop_privileges, set_no_new_privs
from pydaemonwsgi.system.identities import Identity, resolve_identity
from tests.unit.system.in_child import NOBODY, as_nobody, in_child, needs_root, needs_user, nobody


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

    assert answer.startswith("PrivilegeError: privileges not given up: capget says permitted 0x")


@needs_root
@pytest.mark.parametrize("name", ["effective", "permitted"])
def test_drop_with_a_capability_left_is_fatal(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One capability of any kind that is left is one too many."""
    monkeypatch.setattr(credentials, "_capabilities", lambda: {"effective": 0, "permitted": 0, name: 1 << 40})

    answer = in_child(lambda: drop_privileges(nobody()))

    assert answer.startswith(f"PrivilegeError: privileges not given up: capget says {name} 0x10000000000")


@needs_root
def test_drop_without_proof_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that does not tell which capabilities are left gives no proof, so the drop has failed."""

    def refuse() -> dict[str, int]:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(credentials, "_capabilities", refuse)

    assert "capget() failed: EINVAL" in in_child(lambda: drop_privileges(nobody()))


def test_capabilities_are_those_that_proc_tells() -> None:
    """The kernel's call and its text agree, for whoever runs the tests."""
    status = dict(line.split(":\t") for line in Path("/proc/self/status").read_text("ascii").splitlines())

    wanted = {"effective": int(status["CapEff"], 16), "permitted": int(status["CapPrm"], 16)}
    assert credentials._capabilities() == wanted


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


@needs_root
def test_no_new_privs_survives_exec() -> None:
    """A program that the dropped process starts cannot gain privileges either."""

    def act() -> object:
        set_no_new_privs()
        code = "print(open('/proc/self/status').read())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return "NoNewPrivs:\t1\n" in done.stdout

    assert in_child(act) == "True"
