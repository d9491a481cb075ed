"""Which statements must not leave the house, for something that they count has no price or would be counted wrong."""

import polars as pl

from schemas.accounts import Accounts
from schemas.records.prices import OWNER, PROBLEMS, clashing_statements, unpriced

HELD = {"statement_id": pl.String, "code": pl.String, "what": pl.String}
NO_PRICE, DOES_NOT_ADD_UP = "NO-PRICE", "DOES-NOT-ADD-UP"


def held_for_prices(accounts: Accounts) -> pl.DataFrame:
    """Of the chosen statements those that cannot be priced: HELD, a row a problem."""
    statements, wanted = accounts.statements, accounts.wanted
    bands = accounts.mismatched.join(wanted.select("statement_id", "contract_id"), on="contract_id")
    clashes = clashing_statements(statements.with_columns(pl.col("year", "month", "payment_date").cast(pl.String)))
    clashes = clashes.join(wanted.select("statement_id"), on="statement_id", how="semi")
    contracts = wanted.unique("contract_id").select(
        "contract_id", "contract_type", "mentor_fee_per_declaration", *OWNER
    )
    counted = accounts.declarations.filter(pl.col("line_type") != "voided").join(
        wanted.select("statement_id", "contract_id"), on="statement_id"
    )
    kinds = counted.group_by("statement_id", "contract_id", "participant_type", "declaration_type").len()
    found = []
    for problems in (bands, clashes, unpriced(kinds, contracts)):
        for row in problems.iter_rows(named=True):
            problem = PROBLEMS[row["code"]]
            named = f"{problem.table} {row.get('band') or ''}".strip()
            found.append((row["statement_id"], NO_PRICE, f"{named}: {problem.words.format_map(row)}"))
    return pl.DataFrame(found, schema=HELD, orient="row").unique(maintain_order=True)
