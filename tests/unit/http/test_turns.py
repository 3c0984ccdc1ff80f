"""Turns: a bounded number of each key at a time, in line, and none is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from offtake.http.turns import Turns


async def _work(turns: Turns, key: str, name: str, done: list[str], release: asyncio.Event) -> None:
    await turns.wait(key)
    with turns.taken(key):
        done.append(name)
        await release.wait()


async def _run_tasks() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_further_requests_of_a_key_wait_in_line_and_others_do_not() -> None:
    async def run() -> list[str]:
        turns, done, release = Turns(2), list[str](), asyncio.Event()
        tasks = [asyncio.create_task(_work(turns, "loud", f"loud-{n}", done, release)) for n in range(4)]
        await _run_tasks()
        tasks.append(asyncio.create_task(_work(turns, "quiet", "quiet", done, release)))
        await _run_tasks()
        assert not turns.take("loud")
        release.set()
        await asyncio.gather(*tasks)
        assert all(turns.take("loud") for _ in range(2))
        return done

    assert asyncio.run(run()) == ["loud-0", "loud-1", "quiet", "loud-2", "loud-3"]


def test_a_turn_that_a_thread_gives_back_goes_to_the_first_in_line() -> None:
    async def run() -> list[str]:
        turns, done, release = Turns(1), list[str](), asyncio.Event()
        release.set()
        assert turns.take("a")
        waiting = [asyncio.create_task(_work(turns, "a", f"{n}", done, release)) for n in range(3)]
        await _run_tasks()
        await asyncio.to_thread(turns.give_back, "a")
        await asyncio.gather(*waiting)
        return done

    assert asyncio.run(run()) == ["0", "1", "2"]


def test_a_cancelled_wait_keeps_no_turn() -> None:
    async def run() -> None:
        turns, done, release = Turns(1), list[str](), asyncio.Event()
        for rounds in range(4):  # cancelled in the line, and at each step of the handing over
            assert turns.take("a")
            waiting = asyncio.create_task(_work(turns, "a", "never", done, release))
            await _run_tasks()
            if rounds:
                turns.give_back("a")
            for _ in range(rounds - 1):
                await asyncio.sleep(0)
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
            if not rounds:
                turns.give_back("a")
            await _run_tasks()
            assert turns.take("a")
            turns.give_back("a")

    asyncio.run(run())


def test_in_one_round_of_the_loop_a_key_gets_no_more_than_its_turns() -> None:
    async def poll(turns: Turns, key: str, done: list[str]) -> None:
        await turns.one_of_this_moment(key)
        done.append(key)

    async def run() -> list[str]:
        turns, done = Turns(3), list[str]()
        tasks = [asyncio.create_task(poll(turns, "loud", done)) for _ in range(100)]
        tasks.append(asyncio.create_task(poll(turns, "quiet", done)))
        await asyncio.gather(*tasks)
        return done

    done = asyncio.run(run())
    assert done.index("quiet") == 3
    assert done.count("loud") == 100
