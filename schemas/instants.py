"""Dates and times as providers write them (DECL-015). London where no zone is given."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from schemas.frames import holds

_FORM = (
    r"^(?<day>[0-9]{4}-[0-9][0-9]-[0-9][0-9])[Tt](?<time>[0-9][0-9]:[0-9][0-9]:[0-9][0-9])(?:[.,](?<fraction>[0-9]+))?"
    r"(?<zone>[Zz]|[+-][0-9][0-9](?::?[0-9][0-9])?)?$"
)
_USUAL_LENGTH = len("2025-11-03T09:30:00Z")
LONDON = "Europe/London"


def london_day(moment: datetime) -> date:
    """The day in London at an instant."""
    return moment.astimezone(ZoneInfo(LONDON)).date()


def start_of_london_day(day: date) -> datetime:
    """When a day begins in London."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(LONDON))


def rfc3339(moment: datetime) -> str:
    """An instant as our files write it: UTC, `Z`, no fraction unless there is one, no zeros at its end."""
    utc = moment.astimezone(UTC)
    fraction = f"{utc.microsecond:06d}".rstrip("0")
    return utc.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"


def rfc3339_text(column: pl.Expr) -> pl.Expr:
    """The same for a column of UTC instants."""
    whole = column.dt.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = column.dt.strftime("%.6f").str.strip_chars_end("0").str.strip_chars_end(".")
    has_fraction = column.dt.microsecond() != 0
    return pl.when(has_fraction).then(pl.concat_str(whole, fraction, pl.lit("Z"))).otherwise(whole + "Z")


def as_rfc3339(text: pl.Expr) -> pl.Expr:
    """An instant as a database writes it (RFC 3339, or PostgreSQL's own `2025-11-03 09:30:00+00`) → RFC 3339."""
    return text.str.replace(" ", "T", literal=True).str.replace("+00", "Z", literal=True)


def in_london(moment: datetime) -> str:
    """An instant as people in England write it: `3 November 2026 at 09:30`."""
    local = moment.astimezone(ZoneInfo(LONDON))
    return f"{local.day} {local:%B %Y} at {local:%H:%M}"


def long_day(day: date) -> str:
    """`3 November 2026`."""
    return f"{day.day} {day:%B %Y}"


def day_in_london(column: pl.Expr) -> pl.Expr:
    """The day in London of a column of instants."""
    return column.dt.convert_time_zone(LONDON).dt.date()


def long_day_text(column: pl.Expr) -> pl.Expr:
    """`3 November 2026`, of a column of days."""
    return column.dt.strftime("%-d %B %Y")


def with_instants(values: pl.DataFrame) -> pl.DataFrame:
    """Add, from declaration_date (text): declared_at (UTC, microseconds; null where it is no real date and time),
    declaration_day (London), written_day (as written, no zone shift), is_last_nanosecond (of its London day)."""
    text = pl.col("declaration_date")
    usual = (text.str.len_bytes() == _USUAL_LENGTH) & text.str.ends_with("Z") & text.str.contains("T", literal=True)
    simple = text.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", strict=False).dt.replace_time_zone("UTC")
    values = values.with_columns(
        pl.when(usual).then(simple).alias("declared_at"), pl.lit(False).alias("is_last_nanosecond")
    )
    unusual = values.select("row_number", "declaration_date").filter(text.is_not_null() & ~holds(usual))
    if unusual.height:
        values = values.update(_unusual(unusual), on="row_number")
    values = values.with_columns(_without_leap_second(pl.col("declared_at"), text).alias("declared_at"))
    return values.with_columns(
        pl.col("declared_at").dt.convert_time_zone(LONDON).dt.date().alias("declaration_day"),
        pl.when(pl.col("declared_at").is_not_null())
        .then(text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False))
        .alias("written_day"),
    )


def was_skipped(text: pl.Expr) -> pl.Expr:
    """Whether a date and time without zone is one that London's clocks went forward over."""
    whole = text.str.contains(r"^[0-9]{4}-[0-9][0-9]-[0-9][0-9][Tt][0-9][0-9]:[0-9][0-9]:[0-9][0-9](?:[.,][0-9]+)?$")
    local = text.str.slice(0, 19).str.to_uppercase().str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    there = local.dt.replace_time_zone(LONDON, ambiguous="earliest", non_existent="null")
    return holds(whole & local.is_not_null() & there.is_null())


def _without_leap_second(instant: pl.Expr, text: pl.Expr) -> pl.Expr:
    """Second 60 is no real time here, whatever a parser makes of it."""
    return pl.when(text.str.slice(17, 2) < "60").then(instant)


def _unusual(values: pl.DataFrame) -> pl.DataFrame:
    """row_number, declared_at, is_last_nanosecond of texts with a fraction, another zone or none."""
    parts = values.select("row_number", pl.col("declaration_date").str.extract_groups(_FORM).alias("parts")).unnest(
        "parts"
    )
    micros = pl.col("fraction").fill_null("").str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64)
    local = pl.concat_str("day", pl.lit("T"), "time").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    local = local + pl.duration(microseconds=micros)
    zone = pl.col("zone").str.replace(":", "", literal=True).str.to_uppercase()
    hours, minutes = (
        zone.str.slice(1, 2).cast(pl.Int64, strict=False),
        zone.str.slice(3, 2).cast(pl.Int64, strict=False),
    )
    minutes = minutes.fill_null(0)
    offset = pl.duration(hours=hours, minutes=minutes)
    shifted = pl.when(zone.str.starts_with("-")).then(local + offset).otherwise(local - offset)
    in_london = local.dt.replace_time_zone(LONDON, ambiguous="earliest", non_existent="null").dt.convert_time_zone(
        "UTC"
    )
    instant = (
        pl.when(zone.is_null()).then(in_london)
        .when(zone == "Z").then(local.dt.replace_time_zone("UTC"))
        .when((hours < 24) & (minutes < 60)).then(shifted.dt.replace_time_zone("UTC"))
    )  # fmt: skip
    parts = parts.select("row_number", "fraction", instant.alias("declared_at"))
    last_second = pl.col("declared_at").dt.convert_time_zone(LONDON).dt.strftime("%H:%M:%S") == "23:59:59"
    return parts.select(
        "row_number",
        "declared_at",
        holds(last_second & pl.col("fraction").str.starts_with("999999999")).alias("is_last_nanosecond"),
    )
