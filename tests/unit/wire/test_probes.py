"""Looks at what is needed: bounded in time, not repeated while one hangs, kept for a moment, never an endless wait."""

from __future__ import annotations

import asyncio
import threading

from offtake.core.readiness import Need
from offtake.wire.probes import Readiness


def test_a_look_that_hangs_is_said_and_not_repeated() -> None:
    release = threading.Event()
    began: list[int] = []

    def hang() -> str | None:
        began.append(1)
        release.wait(60)
        return None

    needs = [Need(name="The lake", look=hang), Need(name="The state database", look=lambda: "is away")]
    readiness = Readiness(needs, patience=0.01, fresh=0)

    async def ask() -> None:
        for _ in range(3):
            assert await readiness.missing() == ["The lake does not answer in time.", "is away"]
        assert began == [1]
        release.set()
        while (await readiness.missing())[0] != "is away":
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(ask(), 60))


def test_an_answer_holds_for_a_while() -> None:
    looks: list[int] = []

    def look() -> None:
        looks.append(1)

    readiness = Readiness([Need(name="x", look=look)], fresh=3600)

    async def ask() -> list[list[str]]:
        return await asyncio.gather(*(readiness.missing() for _ in range(20)))

    assert asyncio.run(ask()) == [[]] * 20
    assert looks == [1]


def test_a_defect_in_a_look_is_something_missing_and_is_not_quoted() -> None:
    def broken() -> str | None:
        raise ValueError("postgresql://offtake:secret@db/offtake")

    readiness = Readiness([Need(name="The state database", look=broken)])
    assert asyncio.run(readiness.missing()) == ["The state database cannot be looked at (ValueError)."]
