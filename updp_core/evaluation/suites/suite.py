"""What a suite is: methods, measures and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from updp_core.evaluation.measures import Measure, Part, Row, Unit
from updp_core.evaluation.testbed import key_of_method


@dataclass(frozen=True)
class Bar:
    """What a figure has to reach: its value, or the lower or upper end of its 95% interval."""

    sense: Literal["at least", "at most"]
    value: float
    of: Literal["value", "low", "high"] = "value"

    def missed_by(self, value: float, ends: Sequence[float] | None = None) -> bool:
        """An end of an interval that could not be measured misses its bar."""
        if self.of != "value":
            if ends is None:
                return True
            value = ends[self.of == "high"]
        return value < self.value if self.sense == "at least" else value > self.value


@dataclass(frozen=True)
class Figure:
    """A row of a suite's table: its place in the result, its words, the card that it stands in, and its bar."""

    name: str
    words: str
    unit: Unit
    part: Part | None
    bar: Bar | None
    row: Row


@dataclass(frozen=True)
class Suite:
    """Methods by what their images are called (the first is the subject, which every measure is about), the measures
    in the order in which they are taken, and bars by the name of a figure."""

    name: str
    title: str
    methods: Mapping[str, str]
    measures: tuple[Measure, ...]
    bars: Mapping[str, Bar]

    @property
    def subject(self) -> str:
        """The subject as figures name it; "" of a suite that draws nothing."""
        return key_of_method(next(iter(self.methods), ""))

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """The table, row by row."""
        return tuple(
            Figure(name, words, row.unit, measure.part, self.bars.get(name), row)
            for measure in self.measures
            for row in measure.rows
            for name, words in self._named(row)
        )

    def _named(self, row: Row) -> list[tuple[str, str]]:
        chosen = self.methods if "{method}" in row.name else dict(list(self.methods.items())[:1]) or {"": ""}
        return [
            (
                row.name.format(method=key_of_method(method), subject=self.subject),
                row.words.format(images=images),
            )
            for method, images in chosen.items()
        ]

    def value(self, result: Mapping[str, Any], figure: Figure) -> Any:
        """A figure of a result; None where it was not measured."""
        group, _, part = figure.name.partition(".")
        value = (result.get(group) or {}).get(part) if part else result.get(group)
        return figure.row.derived(result, self.subject) if value is None and figure.row.derived else value
