"""Intermediate values of a mapping, as layers of SELECT over the rows of a source.

An expression that is used several times is computed once, under a name, in a layer below its uses.
"""

from __future__ import annotations

from dataclasses import dataclass

from offtake.sql_text import comma_separated


@dataclass(frozen=True, slots=True)
class Term:
    """SQL of a value: a name of a layer, or an expression of the source at depth 0."""

    sql: str
    depth: int = 0

    def __str__(self) -> str:
        return self.sql


class Layers:
    """The layers of one source."""

    def __init__(self) -> None:
        self._layers: list[list[str]] = []
        self._count = 0

    def let(self, sql: str, *inputs: Term) -> Term:
        """Name the value of an expression that uses ``inputs``."""
        depth = max((term.depth for term in inputs), default=0)
        while len(self._layers) <= depth:
            self._layers.append([])
        self._count += 1
        name = f"_term_{self._count}"
        self._layers[depth].append(f"{sql} AS {name}")
        return Term(name, depth + 1)

    def over(self, relation: str) -> str:
        """Return the SELECT of all layers over a relation."""
        for layer in self._layers:
            relation = f"SELECT *,\n    {comma_separated(layer)}\nFROM ({relation})"
        return relation
