"""Pandera models → Frictionless Table Schemas, for whoever reads our files by machine."""

from typing import Any

import pandera.polars as pa
import polars as pl

from schemas.outbound.statements import DAY_PATTERN, INSTANT_PATTERN, MONEY_PATTERN, RATE_PATTERN

# What a pattern of ours is, in the standard's own types. Instants may have a fraction, which its default form allows.
_TYPES = {MONEY_PATTERN: "number", RATE_PATTERN: "number", DAY_PATTERN: "date", INSTANT_PATTERN: "datetime"}


def table_schema(model: pa.DataFrameSchema) -> dict[str, Any]:
    """A model as a Frictionless Table Schema (v1): fields in order, with type, description and constraints."""
    return {
        "title": model.title,
        "fields": [_field(name, column) for name, column in model.columns.items()],
        "missingValues": [""],
    }


def _field(name: str, column: pa.Column) -> dict[str, Any]:
    field: dict[str, Any] = {"name": name, "type": "integer" if column.dtype.type == pl.Int64 else "string"}
    constraints: dict[str, Any] = {"required": not column.nullable}
    for check in column.checks:
        told = check.statistics
        if "allowed_values" in told:
            constraints["enum"] = list(told["allowed_values"])
        elif "min_value" in told:
            constraints["minimum"] = told["min_value"]
        elif "pattern" in told:
            pattern = getattr(told["pattern"], "pattern", told["pattern"])
            field["type"] = _TYPES.get(pattern, "string")
            if field["type"] == "string":
                constraints["pattern"] = pattern
    return field | {"description": column.description, "constraints": constraints}
