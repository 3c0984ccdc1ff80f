"""Methods of the public classes, made from operations: one line each, with the operation's types and docstring.

Names that begin with ``blocking`` are for code that blocks, those that begin with ``async`` are for asyncio. ``kind``
is the public class of what an operation returns, such as an export; ``item`` is the type of an iterator's items.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from offtake_client.asynchronous import AsyncDriver
from offtake_client.blocking import BlockingDriver
from offtake_client.effects import Flow

P = ParamSpec("P")
T = TypeVar("T")
H = TypeVar("H")


class Method(Generic[P, T]):
    """A method that starts an operation on ``instance.operand`` and runs it in the way of the instance's driver."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[Any]], run: Callable[[Any, Flow[Any]], T]) -> None:
        self._flow = flow
        self._run = run
        update_wrapper(self, flow)  # type: ignore[arg-type] # for help(): name and docstring

    @overload
    def __get__(self, instance: None, owner: type) -> Method[P, T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Callable[P, T]: ...

    def __get__(self, instance: object | None, owner: type) -> Method[P, T] | Callable[P, T]:
        """Return the method bound to the instance."""
        return self if instance is None else partial(self._call, instance)

    def _call(self, instance: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(instance, self._flow(instance.operand, *args, **kwargs))


# --- blocking --------------------------------------------------------------------------------------------------------


def blocking_result(flow: Callable[Concatenate[Any, P], Flow[T]]) -> Method[P, T]:
    """Return a method that returns the result of the operation."""
    return Method(flow, lambda instance, made: instance.driver.run(made))


def blocking_object(flow: Callable[Concatenate[Any, P], Flow[H]], kind: Callable[[H, Any], T]) -> Method[P, T]:
    """Return a method that returns an object of the public class."""
    return Method(flow, lambda instance, made: kind(instance.driver.run(made), instance.driver))


def blocking_items(flow: Callable[Concatenate[Any, P], Flow[None]], item: type[T]) -> Method[P, Iterator[T]]:
    """Return a method that iterates over what the operation yields."""
    return Method(flow, lambda instance, made: instance.driver.iterate(made))


def blocking_objects(
    flow: Callable[Concatenate[Any, P], Flow[None]], kind: Callable[[Any, Any], T]
) -> Method[P, Iterator[T]]:
    """Return a method that iterates over objects of the public class."""

    def run(instance: Any, made: Flow[None]) -> Iterator[T]:
        return (kind(handle, instance.driver) for handle in instance.driver.iterate(made))

    return Method(flow, run)


class BlockingClient:
    """A context manager, whose end closes the connections."""

    driver: BlockingDriver

    def close(self) -> None:
        """Close the connections."""
        self.driver.close()

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# --- asynchronous ----------------------------------------------------------------------------------------------------


def async_result(flow: Callable[Concatenate[Any, P], Flow[T]]) -> Method[P, Coroutine[Any, Any, T]]:
    """Return a coroutine method that returns the result of the operation."""
    return Method(flow, lambda instance, made: instance.driver.run(made))


def async_object(
    flow: Callable[Concatenate[Any, P], Flow[H]], kind: Callable[[H, Any], T]
) -> Method[P, Coroutine[Any, Any, T]]:
    """Return a coroutine method that returns an object of the public class."""

    async def run(instance: Any, made: Flow[H]) -> T:
        return kind(await instance.driver.run(made), instance.driver)

    return Method(flow, run)


def async_items(flow: Callable[Concatenate[Any, P], Flow[None]], item: type[T]) -> Method[P, AsyncIterator[T]]:
    """Return a method that iterates asynchronously over what the operation yields."""
    return Method(flow, lambda instance, made: instance.driver.iterate(made))


def async_objects(
    flow: Callable[Concatenate[Any, P], Flow[None]], kind: Callable[[Any, Any], T]
) -> Method[P, AsyncIterator[T]]:
    """Return a method that iterates asynchronously over objects of the public class."""

    async def run(instance: Any, made: Flow[None]) -> AsyncIterator[T]:
        async for handle in instance.driver.iterate(made):
            yield kind(handle, instance.driver)

    return Method(flow, run)


class AsyncClient:
    """An asynchronous context manager, whose end closes the connections."""

    driver: AsyncDriver

    async def close(self) -> None:
        """Close the connections."""
        await self.driver.close()

    async def __aenter__(self: T) -> T:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
