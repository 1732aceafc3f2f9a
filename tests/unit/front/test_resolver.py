"""Resolver: each address is looked up once, by a thread, and believed for a while."""

import asyncio
import threading

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
