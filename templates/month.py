"""A month over all contract periods: its figures as its page, its workbook and its manifest say them."""

import calendar
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from schemas.discrepancies import AGREED, TITLES
from schemas.outbound.versions import NewestVersion
from schemas.vocabulary import OF_DECLARATIONS
from templates.rendering import page
from templates.statement import NOBODYS, SECTION_WORDS, SERVICE_STATUS_WORDS, STATUS_WORDS, month_words
from transforms.money.months import PartnerOfMonth, first_month_of_year, partners_of_month, sums_by_period
from transforms.money.told_once import TO_PUT_RIGHT
from transforms.money.version_changes import pence_of


@dataclass(frozen=True)
class Month:
    """versions: the newest of the month's statements, by contract period. rows: as transforms.money.months.summary_rows gives
    them. differences: rows of their discrepancies.csv, with statement_id. so_far: as
    year_so_far gives them. names: of delivery partners, by id. elsewhere: months of
    the financial year so far of which a statement was paid that was never delivered here."""

    lead_provider_name: str
    month: str
    versions: list[NewestVersion]
    rows: pl.DataFrame
    differences: pl.DataFrame
    so_far: list[dict[str, Any]]
    names: dict[str, str]
    elsewhere: list[str]
    as_of: datetime

    @property
    def words(self) -> str:
        """January 2027."""
        return month_words(int(self.month[:4]), int(self.month[5:]))

    @property
    def total(self) -> int:
        """Pence, VAT included."""
        return sum(self.totals.values())

    @cached_property
    def totals(self) -> dict[int, int]:
        """Pence by contract period."""
        sums: dict[int, int] = {}
        for each in self.versions:
            sums[each.contract_period] = sums.get(each.contract_period, 0) + int(each.total * 100)
        return sums

    @property
    def periods(self) -> list[int]:
        return sorted(self.totals)

    @cached_property
    def partners(self) -> list[PartnerOfMonth]:
        return partners_of_month(self.rows, self.names)

    @cached_property
    def to_pass_on(self) -> dict[int, int]:
        """What all delivery partners get, before VAT: pence by contract period."""
        return sums_by_period(self.rows, OF_DECLARATIONS)

    @cached_property
    def nobodys(self) -> dict[str, dict[int, int]]:
        """What is no delivery partner's: pence by section and contract period."""
        return {section: sums_by_period(self.rows, (section,)) for section in NOBODYS}

    @cached_property
    def forecast(self) -> list[dict[str, Any]]:
        """Of each statement with a forecast, by contract period: contract_period, path, expected, due, difference, differing (how
        many declarations differ), uncompared (due where no amount was sent). In pence."""
        period = {each.statement_id: each for each in self.versions}
        compared = pl.col("difference").is_not_null()
        sums = self.differences.group_by("statement_id", maintain_order=True).agg(
            pence_of("expected_amount").sum().alias("expected"),
            pence_of("due_amount").filter(compared).sum().alias("due"),
            pence_of("difference").sum().alias("difference"),
            pence_of("due_amount").filter(~compared).sum().alias("uncompared"),
            (pl.col("reason_code") != AGREED.code).sum().cast(pl.Int64).alias("differing"),
        )
        found = [{**row, "version": period[row["statement_id"]]} for row in sums.iter_rows(named=True)]
        return sorted(found, key=lambda row: (row["version"].contract_period, row["statement_id"]))

    @cached_property
    def reasons(self) -> list[dict[str, Any]]:
        """What the differences come to, reason by reason, the largest first: title, declarations, difference (pence). What is
        agreed is among them where pence differ, so that they come to the difference in all."""
        sums = self.differences.group_by("reason_code").agg(
            pl.len().cast(pl.Int64).alias("declarations"), pence_of("difference").sum().alias("difference"),
        )  # fmt: skip
        sums = sums.filter((pl.col("reason_code") != AGREED.code) | (pl.col("difference") != 0))
        rows = sums.sort(pl.col("reason_code") == AGREED.code, -pl.col("difference").abs(), "reason_code").iter_rows(
            named=True
        )
        return [{**row, "title": TITLES[row["reason_code"]]} for row in rows]

    @cached_property
    def not_forecast(self) -> tuple[list[int], int]:
        """Contract periods for whose declarations no forecast was sent, and what is due for them before VAT, in pence."""
        compared = {row["statement_id"] for row in self.forecast}
        without = self.rows.filter(
            ~pl.col("statement_id").is_in(list(compared)) & pl.col("section").is_in(OF_DECLARATIONS)
        )
        return sorted(without["contract_period"].unique().to_list()), int(without["pence"].sum())

    @cached_property
    def to_put_right(self) -> int:
        """How many of the declarations that differ can still be put right."""
        return self.differences.filter(pl.col("reason_code").is_in(TO_PUT_RIGHT)).height

    @property
    def takes_declarations(self) -> bool:
        return any(each.fee_type == "output" for each in self.versions)

    @property
    def elsewhere_words(self) -> str:
        """April 2026, August 2026 and October 2026; April 2026 to October 2026."""
        numbers = [int(each[:4]) * 12 + int(each[5:]) for each in self.elsewhere]
        words = [month_words(int(each[:4]), int(each[5:])) for each in self.elsewhere]
        if len(words) > 2 and numbers[-1] - numbers[0] == len(words) - 1:
            return f"{words[0]} to {words[-1]}"
        return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)

    @property
    def year_words(self) -> str:
        first = first_month_of_year(self.month)
        return f"{calendar.month_name[int(first[5:])]} {first[:4]} to {self.words}"


def month_page(month: Month) -> str:
    """summary.html."""
    counted = Counter(each.status for each in month.versions)
    statuses = [(status, counted[status]) for status in STATUS_WORDS if counted[status]]
    return page(
        "month.html",
        month=month,
        status=statuses[0][0] if statuses else "paid",  # the least settled
        statuses=statuses,
        status_words=STATUS_WORDS if month.takes_declarations else SERVICE_STATUS_WORDS,
        section_words=SECTION_WORDS,
        links={each.statement_id: f"../{each.path.split('/', 2)[2]}/" for each in month.versions},
        whole_pass=sum(month.to_pass_on.values()),
    )
