"""Which processes an application group gets, as a table: what is wanted, and what is done."""

import itertools

import pytest

from pydaemonwsgi.channel.control import LONGEST_APPLICATION_GROUP
from pydaemonwsgi.supervisor.partitions import (
    Bind,
    Leave,
    Make,
    PartitionAction,
    PartitionTable,
    Refuse,
    Standing,
    Tell,
)


def table(
    base: str | None = None, *early: str, limit: int = 3, misfits: str = "", together: bool = False
) -> PartitionTable:
    """A table whose keys are k1, k2 …; `misfits` are the letters of names that need processes of their own."""
    numbers = itertools.count(1)
    return PartitionTable(
        "g",
        base=base,
        early=early,
        limit=limit,
        fits=lambda name: name not in misfits.split(),
        new_key=lambda: f"k{next(numbers)}",
        together=together,
    )


def done(one: PartitionTable, name: str, spare: str = "", now: float = 0.0) -> list[str]:
    """What a want leads to, in short: the action, and the key or name that it is about."""
    return [word(action) for action in one.want(name, spare, now)]


def word(action: PartitionAction) -> str:
    about = action.application_group if isinstance(action, Refuse) else action.partition.key
    return f"{type(action).__name__} {about}"


def test_the_first_that_is_wanted_gets_the_base() -> None:
    """Each other is made, and told again when it is wanted again."""
    one = table()
    assert done(one, "a") == ["Bind g", "Tell g"]
    assert done(one, "b") == ["Make k1", "Tell k1"]
    assert done(one, "a") == ["Tell g"]
    assert done(one, "b") == ["Tell k1"]
    assert [(partition.key, partition.application_group) for partition in one.serving] == [("g", "a"), ("k1", "b")]


def test_an_unbound_base_is_nothing_that_a_front_has_to_know() -> None:
    assert table().serving == []


def test_a_base_that_the_configuration_gives_away_is_nobody_elses() -> None:
    """The main interpreter's name is empty, which is a name."""
    one = table("")
    assert done(one, "a") == ["Make k1", "Tell k1"]
    assert done(one, "") == ["Tell g"]


def test_who_needs_other_processes_does_not_get_the_base() -> None:
    one = table(misfits="x")
    assert done(one, "x") == ["Make k1", "Tell k1"]
    assert done(one, "a") == ["Bind g", "Tell g"]


def test_what_is_loaded_early_is_made_at_the_start() -> None:
    one = table("a", "b", "c")
    assert [word(action) for action in one.start()] == ["Make k1", "Tell k1", "Make k2", "Tell k2"]
    assert done(one, "c") == ["Tell k2"]


def test_what_is_loaded_early_from_now_on_is_made_and_told() -> None:
    """A front that runs must know it before its processes are there. What is early no more may make room."""
    one = table("a", "b", limit=4)
    one.start()
    done(one, "c")
    actions = one.renew(early=("c", "d"), limit=4, fits=lambda name: True)
    assert [word(action) for action in actions] == ["Make k3", "Tell k3"]
    assert done(one, "e", spare="k2") == ["Refuse e"]
    assert done(one, "e", spare="k1") == ["Leave k1", "Make k4", "Tell k4"]


def test_beyond_the_limit_a_want_is_refused() -> None:
    """An unbound base counts, for its processes are there."""
    one = table(limit=2, misfits="x y")
    assert done(one, "x") == ["Make k1", "Tell k1"]
    assert done(one, "y") == ["Refuse y"]


def test_a_refusal_says_the_limit_and_the_cure_once_a_minute() -> None:
    one = table("a", limit=1)
    [said] = one.want("b", "", 100.0)
    assert isinstance(said, Refuse)
    for part in ("process group g", "'b'", "there are 1 already", "maximum-application-groups", "%{GLOBAL}"):
        assert part in said.text
    assert [one.want("c", "", now)[0] for now in (100.1, 159.9)] == [Refuse("c", "")] * 2
    [again] = one.want("c", "", 160.0)
    assert isinstance(again, Refuse)
    assert "'c'" in again.text


def test_processes_that_take_no_requests_are_nobodys() -> None:
    """Of a process group that runs service scripts only those are there in which one is imported."""
    one = PartitionTable(
        "g", base="a", early=("b",), limit=9, fits=lambda name: True, new_key=lambda: "k1", serves=False
    )
    one.start()
    [said] = one.want("c", "", 0.0)
    assert isinstance(said, Refuse)
    assert "service scripts (threads=0) take none" in said.text
    assert done(one, "b") == ["Tell k1"]


def test_a_name_that_is_too_long_is_refused() -> None:
    one = table()
    assert done(one, "x" * (LONGEST_APPLICATION_GROUP + 1))[0].startswith("Refuse")
    assert done(one, "x" * LONGEST_APPLICATION_GROUP) == ["Bind g", "Tell g"]


def test_who_is_unused_makes_room() -> None:
    """Its successor of the same name has another key, and may come before the old processes have ended."""
    one = table("a", limit=2)
    assert done(one, "b") == ["Make k1", "Tell k1"]
    assert done(one, "c", spare="k1") == ["Leave k1", "Make k2", "Tell k2"]
    assert [partition.key for partition in one.serving] == ["g", "k2"]
    assert done(one, "b", spare="k2") == ["Leave k2", "Make k3", "Tell k3"]
    one.on_ended("k1")
    assert done(one, "b") == ["Tell k3"]


@pytest.mark.parametrize("spare", ["", "g", "k1", "k2", "nothing"])
def test_who_may_not_leave_makes_no_room(spare: str) -> None:
    """The base, what is loaded early, what leaves already, and what nobody knows."""
    one = table("a", "early", limit=3)
    one.start()
    done(one, "b")
    assert done(one, "c", spare="k2") == ["Leave k2", "Make k3", "Tell k3"]
    assert done(one, "d", spare=spare) == ["Refuse d"]


def test_sub_interpreters_make_no_room() -> None:
    """They cannot be taken down, and a new configuration changes nothing of that; the main one does not count."""
    one = table("", limit=2, together=True)
    done(one, "a")
    one.renew(early=(), limit=2, fits=lambda name: True)
    assert done(one, "b") == ["Make k2", "Tell k2"]
    [said] = one.want("c", "k1", 0.0)
    assert isinstance(said, Refuse)
    assert "there are 2 already, and their interpreters stay (maximum-application-groups, application" in said.text


def test_the_end_of_one_that_goes_on_is_nothing() -> None:
    """Its processes are replaced; only who was to leave is forgotten."""
    one = table("a")
    done(one, "b")
    one.on_ended("k1")
    one.on_ended("nothing")
    assert done(one, "b") == ["Tell k1"]


def test_binding_and_leaving_are_seen_in_the_standing() -> None:
    one = table(limit=2)
    bind, _ = one.want("a", "", 0.0)
    assert isinstance(bind, Bind)
    assert (bind.partition.standing, bind.partition.application_group) == (Standing.SERVING, "a")
    make, tell = one.want("b", "", 0.0)
    assert isinstance(make, Make)
    assert isinstance(tell, Tell)
    leave = one.want("c", make.partition.key, 0.0)[0]
    assert isinstance(leave, Leave)
    assert leave.partition.standing is Standing.LEAVING
    assert "LEAVING" in repr(one)
