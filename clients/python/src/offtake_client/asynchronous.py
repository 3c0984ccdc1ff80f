"""The driver that runs operations in an event loop of asyncio, parallel ones in tasks of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import httpx

from offtake_client.effects import Effect, Emit, Flow, Offload, Parallel, Request, Response, Send, Sleep, Stream
from offtake_client.transport import TIMEOUTS, arguments, head_of, is_success, translated

T = TypeVar("T")


class AsyncDriver:
    """Runs flows as coroutines. Files are written and hashed in threads."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._client = client or httpx.AsyncClient(timeout=TIMEOUTS)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return its result."""
        step: Callable[[], Effect] = partial(next, flow)
        while True:
            try:
                effect = step()
            except StopIteration as end:
                result: T = end.value
                return result
            step = await self._next_step(flow, effect)

    async def iterate(self, flow: Flow[Any]) -> AsyncIterator[Any]:
        """Run a flow and yield what it emits."""
        step: Callable[[], Effect] = partial(next, flow)
        try:
            while True:
                try:
                    effect = step()
                except StopIteration:
                    return
                if isinstance(effect, Emit):
                    yield effect.value
                    step = partial(flow.send, None)
                else:
                    step = await self._next_step(flow, effect)
        finally:
            flow.close()

    async def _next_step(self, flow: Flow[Any], effect: Effect) -> Callable[[], Effect]:
        """Perform an effect; return the step that gives the flow its result or its error."""
        try:
            return partial(flow.send, await self._perform(effect))
        except BaseException as error:  # noqa: BLE001 - also a cancellation ends the flow, which releases what it holds
            return partial(flow.throw, error)

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return await self._send(effect.request)
        if isinstance(effect, Stream):
            return await self._stream(effect)
        if isinstance(effect, Sleep):
            return await asyncio.sleep(effect.seconds)
        if isinstance(effect, Offload):
            return await asyncio.to_thread(effect.function)
        if isinstance(effect, Parallel):
            return await self._parallel(effect.flows, effect.limit)
        raise TypeError(effect)

    async def _send(self, request: Request) -> Response:
        try:
            response = await self._client.request(**arguments(request))
        except httpx.TransportError as error:
            raise translated(error) from error
        return Response(response.status_code, response.headers, response.content)

    async def _stream(self, effect: Stream) -> Response:
        try:
            async with self._client.stream(**arguments(effect.request)) as response:
                head = head_of(response)
                if not effect.sink.start(head):
                    return Response(head.status, head.headers, b"" if is_success(head) else await response.aread())
                async for chunk in response.aiter_raw():  # as received: a chunk size would lose bytes at a cut
                    if not await asyncio.to_thread(effect.sink.write, chunk):
                        break
        except httpx.TransportError as error:
            raise translated(error) from error
        return head

    async def _parallel(self, flows: Sequence[Flow[Any]], limit: int) -> list[Any]:
        turns = asyncio.Semaphore(max(1, limit))

        async def run(flow: Flow[Any]) -> Any:
            async with turns:
                return await self.run(flow)

        tasks = [asyncio.ensure_future(run(flow)) for flow in flows]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
