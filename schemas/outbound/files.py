"""A file that we send: its columns as schemas.columns has them, and what follows from that: the Pandera model that nothing
leaves without fitting, its Frictionless Table Schema, and which of its text is defused."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandera.polars as pa
import polars as pl

from schemas.columns import Column, column
from schemas.outbound.defusing import defused

# How a value is written, by its kind; the rest is text.
PATTERNS = {
    "money": r"^-?\d+\.\d\d$",
    "rate": r"^-?\d+\.\d{2,6}$",
    "average": r"^-?\d+\.\d{2,6}$",
    "month": r"^\d{4}-\d\d$",
    "day": r"^\d{4}-\d\d-\d\d$",
    "instant": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$",
}
COUNTED = ("integer", "count", "year")
# The standard's own types. Instants may have a fraction, which its default form allows.
_TYPES = {
    "money": "number", "rate": "number", "average": "number", "day": "date", "instant": "datetime", "flag": "boolean",
}  # fmt: skip
_UNITS = {"money": " Pounds; negative for money owed to DfE."}


@dataclass(frozen=True)
class Sent:
    """A column as one file has it. least: the smallest number there may be."""

    column: Column
    optional: bool = False
    least: int = 0

    @property
    def description(self) -> str:
        return f"{self.column.meaning}{_UNITS.get(self.column.kind, '')}"

    def model(self) -> pa.Column:
        kind, nullable = self.column.kind, self.optional
        if kind in COUNTED:
            return pa.Column(pl.Int64, pa.Check.ge(self.least), nullable=nullable, description=self.description)
        checks = []
        if self.column.words:
            checks.append(pa.Check.isin(self.column.words))
        elif kind in PATTERNS:
            checks.append(pa.Check.str_matches(PATTERNS[kind]))
        return pa.Column(pl.String, checks, nullable=nullable, description=self.description)

    def schema(self) -> dict[str, Any]:
        """The column as a field of a Frictionless Table Schema (v1)."""
        kind = self.column.kind
        constraints: dict[str, Any] = {"required": not self.optional}
        if kind in COUNTED:
            constraints["minimum"] = self.least
        elif self.column.words:
            constraints["enum"] = list(self.column.words)
        elif kind in PATTERNS and kind not in _TYPES:
            constraints["pattern"] = PATTERNS[kind]
        type_ = "integer" if kind in COUNTED else _TYPES.get(kind, "string")
        return {
            "name": self.column.name,
            "type": type_,
            "description": self.description,
            "constraints": constraints,
        }


def sent(name: str, meaning: str = "", least: int = 0, **special: Any) -> Sent:
    """A column of a file; it may be empty where its name ends in `?`. meaning and special: what is particular to it here."""
    if meaning:
        special["meaning"] = meaning
    return Sent(column(name.removesuffix("?"), **special), name.endswith("?"), least)


@dataclass(frozen=True)
class SentFile:
    """One file of a set. name: without `.csv`. key: what a row is known by. has_sentences: it begins with a byte-order mark, by
    which spreadsheets know UTF-8 (interface, conventions)."""

    name: str
    title: str
    sent: tuple[Sent, ...]
    key: tuple[str, ...] = ()
    has_sentences: bool = False

    @property
    def columns(self) -> list[str]:
        return [each.column.name for each in self.sent]

    @property
    def figures(self) -> tuple[str, ...]:
        """Its columns of money, and of what money is made of."""
        return tuple(each.column.name for each in self.sent if each.column.is_figure)

    @cached_property
    def model(self) -> pa.DataFrameSchema:
        """The Pandera model: these columns, in this order, and no others."""
        columns = {each.column.name: each.model() for each in self.sent}
        return pa.DataFrameSchema(columns, strict=True, ordered=True, title=self.title)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """As a Frictionless Table Schema (v1), for whoever reads our files by machine."""
        return {"title": self.title, "fields": [each.schema() for each in self.sent], "missingValues": [""]}

    def rows(self, frame: pl.DataFrame, *before: str) -> pl.DataFrame:
        """The frame as the file has it: its columns alone, checked, free text defused. before: columns that stand in front of
        them, and are no part of the file."""
        rows = self.defused(frame, *before)
        self.model.validate(rows.select(self.columns))
        return rows

    def defused(self, frame: pl.DataFrame, *before: str) -> pl.DataFrame:
        """The same, unchecked."""
        free = [each.column.name for each in self.sent if each.column.is_free_text]
        rows = frame.select(*before, *self.columns)
        return defused(rows, *free) if free else rows
