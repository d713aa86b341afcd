"""Who may use a host: training shares, PROBE is alone, and a waiting PROBE goes first."""

from __future__ import annotations

import asyncio

from autoglm_coordinator.federation.leases import HostLeases


def test_probe_never_overlaps_training_on_one_host() -> None:
    async def story() -> list[str]:
        leases, seen = HostLeases(), []
        training, measured = asyncio.Event(), asyncio.Event()

        async def train() -> None:
            async with leases.shared(["one-machine"]):
                training.set()
                await asyncio.sleep(0)
                seen.append("trained")

        async def probe() -> None:
            await training.wait()
            async with leases.exclusive("one-machine"):
                seen.append("measured")
                measured.set()

        await asyncio.gather(train(), probe())
        return seen

    assert asyncio.run(story()) == ["trained", "measured"]


def test_probe_of_one_host_overlaps_training_on_another() -> None:
    async def story() -> bool:
        leases = HostLeases()
        async with leases.shared(["gpu-host"]), asyncio.timeout(1), leases.exclusive("gateway"):
            return True

    assert asyncio.run(story())


def test_a_waiting_probe_goes_before_later_training() -> None:
    async def story() -> list[str]:
        leases, seen = HostLeases(), []
        held, release = asyncio.Event(), asyncio.Event()

        async def hold(name: str) -> None:
            async with leases.shared(["h"]):
                seen.append(name)
                held.set()
                await release.wait()

        async def probe() -> None:
            async with leases.exclusive("h"):
                seen.append("probe")

        first = asyncio.create_task(hold("round 1"))
        await held.wait()
        waiting = asyncio.create_task(probe())
        await asyncio.sleep(0)
        later = asyncio.create_task(hold("round 2"))
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, waiting, later)
        return seen

    assert asyncio.run(story()) == ["round 1", "probe", "round 2"]


def test_a_cancelled_probe_leaves_the_host_free() -> None:
    async def story() -> bool:
        leases = HostLeases()
        async with leases.shared(["h"]):

            async def probe() -> None:
                async with leases.exclusive("h"):
                    raise AssertionError("the host was not free")

            waiting = asyncio.create_task(probe())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(1), leases.shared(["h"]):
            return True

    assert asyncio.run(story())
