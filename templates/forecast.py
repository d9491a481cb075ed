"""forecast/index.html: for each statement that is near, what is declared, what could be, and what closes when."""

import polars as pl

from templates.rendering import page
from templates.statement import month_words
from transforms.forecast.pricing import Forecast


def forecast_page(lead_provider_name: str, forecast: Forecast | None) -> str:
    """The page; None: no statement is near. It says nothing that the calendar alone would change, but what closes when."""
    if forecast is None:
        return page("forecast.html", lead_provider_name=lead_provider_name, statements=[], sums=None, closes=[])
    statements = []
    key = ["statement_month", "contract_period", "deadline_date"]
    for (month, period, deadline), rows in forecast.totals.partition_by(key, as_dict=True, maintain_order=True).items():
        by_state = {row["state"]: row for row in rows.iter_rows(named=True)}
        own = (pl.col("statement_month") == month) & (pl.col("contract_period") == period)
        year, number = map(int, str(month).split("-"))
        statements.append(
            {
                "month": month_words(year, number), "file": f"{month}.csv", "contract_period": period, "deadline": deadline,
                "states": [(words, by_state.get(state)) for state, words in _STATES.items()],
                "over": sum(row["over"] for row in by_state.values()),
                "again": sum(row["again"] for row in by_state.values()),
                "reasons": forecast.reasons.filter(own).to_dicts(),
                "closing": forecast.closing.filter(own).to_dicts(),
            }
        )  # fmt: skip
    sums = {state: forecast.totals.filter(pl.col("state") == state) for state in _STATES}
    first = forecast.closing.group_by("closes_on").agg(pl.col("declarations", "pence").sum()).sort("closes_on")
    return page(
        "forecast.html",
        lead_provider_name=lead_provider_name,
        statements=statements,
        sums={
            state: (_once(rows, "declarations", "again"), _once(rows, "pence", "pence_again"))
            for state, rows in sums.items()
        },
        closes=first.to_dicts(),
    )


def _once(totals: pl.DataFrame, column: str, again: str) -> int:
    """A sum that counts what stands under two statements once."""
    return int(totals.select(pl.col(column).cast(pl.Int64).sum() - pl.col(again).cast(pl.Int64).sum()).item())


_STATES = {
    "declared": "Declared, and on the statement",
    "possible": "Possible: accepted and paid, if you declare it",
    "blocked": "Blocked: refused, or not paid before something else happens",
}
