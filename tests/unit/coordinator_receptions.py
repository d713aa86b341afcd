"""Room for vectors that arrive: never more memory than was given, first come first served, nothing lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from autoglm_coordinator.federation.receptions import Receptions

TURNS = 20
"""More turns of the event loop than anything here needs."""


class Uploads:
    """Uploads that hold their room until they are let go."""

    def __init__(self, receptions: Receptions) -> None:
        self._receptions = receptions
        self._done: dict[str, asyncio.Event] = {}
        self.receiving: dict[str, int] = {}
        self.most = 0

    async def run(self, name: str, size: int) -> None:
        done = self._done[name] = asyncio.Event()
        async with self._receptions.room(size, sender=name):
            self.receiving[name] = size
            self.most = max(self.most, sum(self.receiving.values()))
            try:
                await done.wait()
            finally:
                del self.receiving[name]

    async def finish(self, name: str) -> None:
        self._done[name].set()
        await settle()


async def settle() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def begin(*work: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(each) for each in work]


def test_a_hundred_vectors_never_take_more_than_the_memory() -> None:
    async def story() -> None:
        uploads = Uploads(Receptions(100))
        tasks = begin(*(uploads.run(f"{index:03}", 30) for index in range(100)))
        for finished in range(100):
            await settle()
            assert sorted(uploads.receiving) == [f"{index:03}" for index in range(finished, min(finished + 3, 100))]
            await uploads.finish(f"{finished:03}")
        await asyncio.gather(*tasks)
        assert uploads.most == 90

    asyncio.run(story())


def test_one_vector_is_received_however_large_it_is_but_alone() -> None:
    async def story() -> None:
        uploads = Uploads(Receptions(100))
        tasks = begin(uploads.run("small", 1), uploads.run("large", 1000), uploads.run("later", 1))
        await settle()
        # "later" would fit beside "small": if it did not wait, small vectors could keep the large one out for ever.
        assert list(uploads.receiving) == ["small"]
        await uploads.finish("small")
        assert list(uploads.receiving) == ["large"]
        await uploads.finish("large")
        assert list(uploads.receiving) == ["later"]
        await uploads.finish("later")
        await asyncio.gather(*tasks)

    asyncio.run(story())


def test_an_upload_that_breaks_off_leaves_its_room_or_its_place_to_the_next() -> None:
    async def story() -> None:
        uploads = Uploads(Receptions(100))
        receiving, waiting, last = begin(*(uploads.run(name, 100) for name in ("receiving", "waiting", "last")))
        await settle()
        waiting.cancel()
        receiving.cancel()
        await settle()
        assert list(uploads.receiving) == ["last"]
        await uploads.finish("last")
        await last

    asyncio.run(story())
