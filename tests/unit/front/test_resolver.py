"""Resolver: each address is looked up once, by a thread, and believed for a while."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pydaemonwsgi.front import resolver
from pydaemonwsgi.front.resolver import Resolver, confirmed_name


def test_requests_that_ask_together_share_a_lookup_and_later_ones_need_none() -> None:
    async def ask() -> tuple[list[str], list[str]]:
        asked: list[str] = []
        release = threading.Event()

        def look_up(address: str) -> str:
            asked.append(address)
            release.wait(30)
            return "name.example"

        resolver = Resolver(asyncio.get_running_loop(), look_up)
        told: list[str] = []
        done = asyncio.Event()

        def tell(name: str) -> None:
            told.append(name)
            if len(told) == 3:
                done.set()

        for _ in range(3):
            resolver.find("192.0.2.1", tell)
        assert told == []
        release.set()
        await done.wait()
        resolver.find("192.0.2.1", told.append)
        return asked, told

    asked, told = asyncio.run(ask())
    assert asked == ["192.0.2.1"]
    assert told == ["name.example"] * 4


def test_a_lookup_that_fails_finds_no_name() -> None:
    async def ask() -> str:
        def look_up(address: str) -> str:
            raise OSError(address)

        found = asyncio.get_running_loop().create_future()
        Resolver(asyncio.get_running_loop(), look_up).find("192.0.2.1", found.set_result)
        return str(await found)

    assert asyncio.run(ask()) == ""


def test_what_is_no_address_has_no_name() -> None:
    assert confirmed_name("not an address") == ""


def test_a_client_whose_name_takes_too_long_waits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next requests go on without a name; the name counts when it has come after all."""
    monkeypatch.setattr(resolver, "_PATIENCE", 0.01)

    async def ask() -> tuple[list[str], list[str]]:
        asked: list[str] = []
        release = threading.Event()

        def look_up(address: str) -> str:
            asked.append(address)
            release.wait(30)
            return "name.example"

        names = Resolver(asyncio.get_running_loop(), look_up)
        told: list[str] = []
        first = asyncio.get_running_loop().create_future()
        names.find("192.0.2.1", first.set_result)
        told.append(await first)
        names.find("192.0.2.1", told.append)
        assert told == ["", ""], "the second one does not wait"
        release.set()
        while told[-1] == "":
            await asyncio.sleep(0.001)
            names.find("192.0.2.1", told.append)
        return asked, [told[-1]]

    assert asyncio.run(ask()) == (["192.0.2.1"], ["name.example"])


def test_a_lookup_that_outlives_the_loop_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    """The server has ended meanwhile; nothing is logged about a name that nobody waits for."""
    release = threading.Event()

    def look_up(address: str) -> str:
        release.wait(30)
        return address

    async def ask() -> None:
        names = Resolver(asyncio.get_running_loop(), look_up)
        names.find("192.0.2.1", lambda name: None)
        assert names._executor is not None
        executors.append(names._executor)

    executors: list[ThreadPoolExecutor] = []
    asyncio.run(ask())
    release.set()
    executors[0].shutdown(wait=True)
    assert not caplog.records


def test_who_has_waited_in_vain_is_not_looked_up_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many clients with slow name servers do not keep later ones from being looked up."""
    monkeypatch.setattr(resolver, "_PATIENCE", 0.05)

    async def ask() -> list[str]:
        asked: list[str] = []
        release = threading.Event()

        def look_up(address: str) -> str:
            asked.append(address)
            release.wait(30)
            return ""

        names = Resolver(asyncio.get_running_loop(), look_up)
        gone = [asyncio.get_running_loop().create_future() for _ in range(50)]
        for number, one in enumerate(gone):
            names.find(f"192.0.2.{number}", one.set_result)
        await asyncio.gather(*gone)
        last = asyncio.get_running_loop().create_future()
        release.set()
        monkeypatch.setattr(resolver, "_PATIENCE", 30.0)
        names.find("198.51.100.1", last.set_result)
        await last
        return asked

    asked = asyncio.run(ask())
    assert asked[-1] == "198.51.100.1"
    assert len(asked) < 10
