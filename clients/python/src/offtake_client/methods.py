"""Methods of the public classes, made from operations: one line each, with the operation's signature and docstring."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from offtake_client.effects import Flow

P = ParamSpec("P")
T = TypeVar("T")


class Method(Generic[P, T]):
    """A method that starts an operation on ``instance.operand`` and runs it in the way of the instance's driver."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[Any]], run: Callable[[Any, Flow[Any]], T]) -> None:
        self._flow = flow
        self._run = run
        update_wrapper(self, flow)  # type: ignore[arg-type] # for help(): name, docstring, signature

    @overload
    def __get__(self, instance: None, owner: type) -> Method[P, T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Callable[P, T]: ...

    def __get__(self, instance: object | None, owner: type) -> Method[P, T] | Callable[P, T]:
        """Return the method bound to the instance."""
        return self if instance is None else partial(self._call, instance)

    def _call(self, instance: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(instance, self._flow(instance.operand, *args, **kwargs))
