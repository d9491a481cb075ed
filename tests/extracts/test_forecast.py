"""What could still be declared: what is offered is accepted if it is declared that day, and pays what was promised."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from flows.clock import instant
from flows.installation import Installation, LeadProvider
from flows.rounds.extracts import extracts_round
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from schemas.outbound.forecast import FORECAST
from tests.conftest import NOW
from tests.exchange.provider import box, put, receipts, results

LONDON = ZoneInfo("Europe/London")


def forecast(installation: Installation, provider: LeadProvider, month: str = "2027-01") -> pl.DataFrame:
    path = box(installation, provider) / "from-dfe/forecast" / f"{month}.csv"
    return pl.read_csv(path, infer_schema=False)


def declared(rows: pl.DataFrame, at: str) -> pl.DataFrame:
    """The rows as a file of declarations: dated within their windows, as late as may be, with evidence that is wanted."""
    today = instant(at)
    noon = pl.col("window_closes").fill_null(str(today.astimezone(LONDON).date())) + pl.lit("T12:00:00Z")
    return rows.select(
        "participant_id", "course_identifier", "declaration_type",
        declaration_date=pl.min_horizontal(noon, pl.lit(f"{today:%Y-%m-%dT%H:%M:%SZ}")),
        evidence_held=pl.col("evidence_wanted").str.split(";").list.last(),
    )  # fmt: skip


def paid(installation: Installation, provider: LeadProvider, month: str) -> pl.DataFrame:
    """declarations.csv of the newest versions of a month's statements."""
    found = []
    for folder in sorted((box(installation, provider) / "from-dfe/statements").glob(f"*/{month}")):
        newest = sorted(folder.glob("v*"))[-1]
        found.append(
            pl.read_csv(newest / "declarations.csv", infer_schema=False).with_columns(
                contract_period=pl.lit(folder.parent.name)
            )
        )
    return pl.concat(found)


def test_the_files_columns_are_those_of_a_list_of_expected_payments_first(
    installation: Installation, provider: LeadProvider
) -> None:
    extracts_round(installation, instant(NOW), [provider])
    rows = forecast(installation, provider)
    assert rows.columns == FORECAST.columns and rows.columns[:7] == [
        "statement_month", "contract_period", "participant_id", "course_identifier", "declaration_type", "expected_amount",
        "delivery_partner_id",
    ]  # fmt: skip
    assert set(rows["state"]) == {"declared", "possible", "blocked"} and set(rows["statement_month"]) == {"2027-01"}
    assert rows.filter(pl.col("state") == "blocked")["in_the_way"].null_count() == 0
    said = rows.filter(pl.col("state") != "blocked", pl.col("in_the_way").is_not_null())
    assert set(said["expected_amount"]) <= {"0.00"} and said["in_the_way"].str.starts_with("Beyond the last band").all()
    assert (rows["window_opens"].drop_nulls() <= "2026-12-31").all()
    page = (box(installation, provider) / "from-dfe/forecast/index.html").read_text()
    assert "Send by 31 December 2026" in page


def test_sent_back_it_is_a_list_of_expected_payments(installation: Installation, provider: LeadProvider) -> None:
    extracts_round(installation, instant(NOW), [provider])
    put(installation, provider, "expected-payments.csv", forecast(installation, provider).write_csv())
    intake_round(installation, instant(NOW))
    receipt = receipts(installation, provider)["expected-payments.csv"]
    assert receipt["status"] == "accepted", receipt


@pytest.mark.parametrize("at", [NOW, "2026-12-31T23:59:59Z", "2026-11-01T00:00:00Z"])
@pytest.mark.slow
def test_what_is_offered_is_accepted_that_day_and_pays_what_was_promised(
    installation: Installation, provider: LeadProvider, at: str
) -> None:
    """A law of the whole sample: thousands of participants, schedules and contract periods; the second before a deadline, too."""
    extracts_round(installation, instant(at), [provider])
    rows = forecast(installation, provider)
    possible = rows.filter((pl.col("state") == "possible") & (pl.col("window_opens") <= at[:10]))
    assert possible.height > 20
    put(installation, provider, "declarations.csv", declared(possible, at).write_csv())
    intake_round(installation, instant(at))
    receipt = receipts(installation, provider)["declarations.csv"]
    refused = results(receipt).filter(pl.col("outcome") != "accepted")
    assert refused.is_empty(), refused.select("rule_codes", "messages").head(3).rows()
    assert set(results(receipt)["statement_month"]) == {"2027-01"}
    if possible.height < rows.filter(pl.col("state") == "possible").height:
        return  # places are counted with those whose windows are still to open
    statements_round(installation, instant(at))
    now = paid(installation, provider, "2027-01").filter(pl.col("line_type") == "output")
    key = ["contract_period", "declaration_type"]
    money = pl.Decimal(14, 2)
    came = now.group_by(key).agg(
        pl.len().alias("count"), (pl.col("amount").cast(money) + pl.col("uplift_amount").cast(money)).sum()
    )
    promised = rows.filter(pl.col("state") != "blocked").group_by(key).agg(
        pl.len().alias("count"), pl.col("expected_amount").cast(money).sum().alias("amount")
    )  # fmt: skip
    assert promised.sort(key).equals(came.sort(key))


@pytest.mark.slow
def test_once_declared_it_says_so_with_what_it_pays(installation: Installation, provider: LeadProvider) -> None:
    extracts_round(installation, instant(NOW), [provider])
    before = forecast(installation, provider)
    some = before.filter((pl.col("state") == "possible") & (pl.col("window_opens") <= NOW[:10]))[:5]
    put(installation, provider, "declarations.csv", declared(some, NOW).write_csv())
    intake_round(installation, instant(NOW))
    extracts_round(installation, instant("2026-12-15T04:00:00Z"), [provider])
    key = ["contract_period", "participant_id", "course_identifier", "declaration_type"]
    after = forecast(installation, provider).join(some.select(key), on=key, how="semi")
    assert set(after["state"]) == {"declared"} and after.height == 5
    statements_round(installation, instant("2026-12-15T04:00:00Z"))
    held = paid(installation, provider, "2027-01").join(some, on=["participant_id", "declaration_type"], how="semi")
    told = {row["participant_id"]: Decimal(row["expected_amount"]) for row in after.iter_rows(named=True)}
    assert held.height == 5 and all(
        abs(Decimal(row["amount"]) + Decimal(row["uplift_amount"]) - told[row["participant_id"]]) < Decimal(1)
        or row["band"] is None
        for row in held.iter_rows(named=True)
    )


def test_a_quiet_night_rewrites_nothing_and_a_month_that_is_past_goes(
    installation: Installation, provider: LeadProvider
) -> None:
    extracts_round(installation, instant(NOW), [provider])
    folder = box(installation, provider) / "from-dfe/forecast"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    extracts_round(installation, instant("2026-12-14T22:00:00Z"), [provider])
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    extracts_round(installation, instant("2027-01-01T04:00:00Z"), [provider])
    assert "2027-01.csv" not in {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("left", ["nobody", "nothing to declare"])
def test_a_provider_with_nothing_to_declare_is_told_so(
    installation: Installation, provider: LeadProvider, left: str
) -> None:
    ours = "SELECT partnership_id FROM partnerships WHERE lead_provider_id = ?"
    change = {
        "nobody": f"DELETE FROM training_periods WHERE partnership_id IN ({ours})",
        "nothing to declare": f"UPDATE training_periods SET schedule_identifier = 'ecf-other' WHERE partnership_id IN ({ours})",
    }[left]
    with installation.database.write() as connection:
        connection.exec_driver_sql(change, (provider.lead_provider_id,))
    assert not extracts_round(installation, instant(NOW), [provider]).troubles
    page = (box(installation, provider) / "from-dfe/forecast/index.html").read_text()
    assert "What could still be declared" in page
    names = {path.name for path in (box(installation, provider) / "from-dfe/forecast").iterdir()}
    assert names <= {"index.html", "2027-01.csv"}


@pytest.mark.slow
def test_the_second_statement_ahead_is_for_what_is_declared_after_the_firsts_deadline(
    installation: Installation, provider: LeadProvider
) -> None:
    """Two open statements of one contract period within 62 days: what is on offer for the second is accepted on its days."""
    with installation.database.write() as connection:
        connection.exec_driver_sql("UPDATE statements SET deadline_date = '2027-01-31', payment_date = '2027-02-26' WHERE "
                                   "statement_id IN (SELECT s.statement_id FROM statements s JOIN contracts c ON c.contract_id = "
                                   "s.contract_id WHERE s.status = 'open' AND s.fee_type = 'output' AND s.year * 100 + s.month = "
                                   "202704)")  # fmt: skip
    assert not extracts_round(installation, instant(NOW), [provider]).troubles
    second = forecast(installation, provider, "2027-04").filter(pl.col("state") == "possible")
    assert second.height > 20 and set(second["deadline_date"]) == {"2027-01-31"}
    page = (box(installation, provider) / "from-dfe/forecast/index.html").read_text()
    assert "of these stand under an earlier statement" in page
    at = "2027-01-15T10:00:00Z"
    statements_round(installation, instant("2027-01-01T00:10:00Z"))
    open_now = second.filter(pl.col("window_opens") <= at[:10])
    put(installation, provider, "declarations.csv", declared(open_now, at).write_csv())
    intake_round(installation, instant(at))
    found = results(receipts(installation, provider)["declarations.csv"])
    assert set(found["outcome"]) == {"accepted"}, (
        found.filter(pl.col("outcome") != "accepted")["messages"].head(2).to_list()
    )
    assert set(found["statement_month"]) == {"2027-04"}
