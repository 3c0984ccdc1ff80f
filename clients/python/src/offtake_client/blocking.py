"""The driver that runs operations in the caller's thread, parallel ones in threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from typing import Any, TypeVar

import httpx

from offtake_client.effects import Effect, Emit, Flow, Offload, Parallel, Request, Response, Send, Sleep, Stream
from offtake_client.transport import TIMEOUTS, arguments, head_of, is_success, translated

T = TypeVar("T")


class _Stopped(Exception):
    """Another flow of the same group failed, so this one ends."""


class BlockingDriver:
    """Runs flows. Several threads can use it."""

    def __init__(self, client: httpx.Client | None = None, stop: threading.Event | None = None) -> None:
        self._client = client or httpx.Client(timeout=TIMEOUTS)
        self._stop = stop or threading.Event()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return its result."""
        step: Callable[[], Effect] = partial(next, flow)
        while True:
            try:
                effect = step()
            except StopIteration as end:
                result: T = end.value
                return result
            step = self._next_step(flow, effect)

    def iterate(self, flow: Flow[Any]) -> Iterator[Any]:
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
                    step = self._next_step(flow, effect)
        finally:
            flow.close()

    def _next_step(self, flow: Flow[Any], effect: Effect) -> Callable[[], Effect]:
        """Perform an effect; return the step that gives the flow its result or its error."""
        try:
            return partial(flow.send, self._perform(effect))
        except BaseException as error:  # noqa: BLE001 - also Ctrl-C ends the flow, which releases what it holds
            return partial(flow.throw, error)

    def _perform(self, effect: Effect) -> Any:
        if self._stop.is_set():
            raise _Stopped
        if isinstance(effect, Send):
            return self._send(effect.request)
        if isinstance(effect, Stream):
            return self._stream(effect)
        if isinstance(effect, Sleep):
            return self._stop.wait(effect.seconds)
        if isinstance(effect, Offload):
            return effect.function()
        if isinstance(effect, Parallel):
            return self._parallel(effect.flows, effect.limit)
        raise TypeError(effect)

    def _send(self, request: Request) -> Response:
        try:
            response = self._client.request(**arguments(request))
        except httpx.TransportError as error:
            raise translated(error) from error
        return Response(response.status_code, response.headers, response.content)

    def _stream(self, effect: Stream) -> Response:
        try:
            with self._client.stream(**arguments(effect.request)) as response:
                head = head_of(response)
                if not effect.sink.start(head):
                    return Response(head.status, head.headers, b"" if is_success(head) else response.read())
                for chunk in response.iter_raw():  # as received: a chunk size would lose bytes at a cut
                    if self._stop.is_set():
                        raise _Stopped
                    if not effect.sink.write(chunk):
                        break
        except httpx.TransportError as error:
            raise translated(error) from error
        return head

    def _parallel(self, flows: Sequence[Flow[Any]], limit: int) -> list[Any]:
        group = BlockingDriver(self._client, threading.Event())
        with ThreadPoolExecutor(max_workers=max(1, limit)) as pool:
            tasks = [pool.submit(group.run, flow) for flow in flows]
            try:
                for task in as_completed(tasks):
                    task.result()
            except BaseException:
                group.stop(tasks)
                raise
        return [task.result() for task in tasks]

    def stop(self, tasks: Sequence[Future[Any]]) -> None:
        """End the running flows, and those that have not begun."""
        self._stop.set()
        for task in tasks:
            task.cancel()
