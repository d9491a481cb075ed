"""One delivery partner's own files, to be passed on as they are: its declarations, and the page that says them to people."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from schemas.outbound.statements import PARTNER
from schemas.slugs import file_names
from templates.folders import write_csv
from templates.rendering import page
from templates.statement import BASIS_WORDS, SECTION_WORDS, month_words
from transforms.money.statement import Statement

STATUS_WORDS = {
    "open": "So far: it changes as declarations arrive, until the deadline has passed.",
    "payable": "Closed to new declarations; a void can still change it until DfE authorises the statement.",
    "paid": "DfE has authorised the statement for payment. These figures will not change.",
}
WHOSE = ["delivery_partner_id", "delivery_partner_name"]


def write_partners(folder: Path, statement: Statement, declarations: pl.DataFrame, as_of: datetime) -> dict[str, str]:
    """Two files a delivery partner that has declarations on the statement. Nothing, where none has. Returns the page of each, by
    its id."""
    parts = declarations.partition_by(WHOSE, maintain_order=True, as_dict=True)
    if not parts:
        return {}
    folder.mkdir()
    sums = {partner["delivery_partner_id"]: partner for partner in statement.partners}
    whose = [(str(partner_id), str(name)) for partner_id, name in parts]
    for name, partner, rows in zip(file_names(whose), whose, parts.values(), strict=True):
        own = sums.get(partner[0]) or {**dict(zip(WHOSE, partner, strict=True)), "pence": 0, "lines": []}
        write_csv(folder / f"{name}.csv", rows.select(PARTNER.columns))
        text = partner_page(statement, own, rows, f"{name}.csv", as_of)
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {partner: f"{folder.name}/{name}.html" for name, (partner, _) in zip(file_names(whose), whose, strict=True)}


def partner_page(
    statement: Statement, partner: dict[str, Any], declarations: pl.DataFrame, file_name: str, as_of: datetime
) -> str:
    """The page to pass on. partner: a row of transforms.money.overview.partner_sums, with its lines."""
    facts = statement.facts
    return page(
        "partner.html",
        facts=facts,
        month=month_words(facts["year"], facts["month"]),
        version=statement.version,
        as_of=as_of,
        status_words=STATUS_WORDS[facts["status"]],
        partner=partner,
        lines=partner["lines"],
        section_words=SECTION_WORDS,
        basis_words_for_partner=_basis(statement.is_ordered),
        declarations=declarations.iter_rows(named=True),
        file_name=file_name,
        roles={"ect": "ECT", "mentor": "Mentor"},
    )


@cache
def _basis(is_ordered: bool) -> str:
    return f"The share counts {BASIS_WORDS[is_ordered]} Pence are shared so that the declarations add up to the share."
