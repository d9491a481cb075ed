"""No price, no payment: refused at the load with table, row and reason; where it stands all the same, held back."""

import shutil
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from data.records.extract import export_records, import_records
from flows.acts.authorise import authorise
from flows.clock import instant
from flows.errors import ExchangeError
from flows.installation import Installation, open_installation
from flows.rounds.statements import statements_round
from flows.settings import Settings
from schemas.records.checks import ExtractRefused
from tests.conftest import IMPORTED_AT, NOW
from tests.exchange.provider import acceptable_rows, box, pay, put

AT = instant(NOW)
AFTER = instant("2027-01-01T00:05:00Z")


@pytest.fixture
def extract(sample: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(sample, tmp_path / "extract"))


def read(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / f"{name}.csv", infer_schema=False)


def unpaid(folder: Path) -> pl.DataFrame:
    """The contracts with a statement not yet paid."""
    return read(folder, "contracts").join(
        read(folder, "statements").filter(pl.col("status") != "paid"), on="contract_id", how="semi"
    )


def refused(tmp_path: Path, extract: Path) -> str:
    with open_installation(Settings(home=tmp_path / "home")) as installation, pytest.raises(ExtractRefused) as raised:
        import_records(installation.database, extract, instant(IMPORTED_AT))
    return str(raised.value)


def test_a_band_without_terms_is_refused(tmp_path, extract):
    contract = unpaid(extract)["contract_id"][0]
    terms = read(extract, "band_terms")
    terms.filter((pl.col("contract_id") != contract) | (pl.col("band") != "B")).write_csv(extract / "band_terms.csv")
    owner = unpaid(extract).filter(contract_id=contract).select("lead_provider_id", "contract_period")
    bands = read(extract, "bands").with_row_index("row", 1).join(owner, on=owner.columns).filter(band="B")
    assert f"bands.csv, row {bands['row'][0]}, column band: this band has no price in contract {contract}" in refused(
        tmp_path, extract
    )


def test_terms_without_a_band_are_refused(tmp_path, extract):
    contract = unpaid(extract)["contract_id"][0]
    terms = read(extract, "band_terms")
    pl.concat([terms, terms.filter(contract_id=contract)[:1].with_columns(band=pl.lit("Z"))]).write_csv(
        extract / "band_terms.csv"
    )
    assert f"band_terms.csv, row {terms.height + 1}, column band: there is no such band" in refused(tmp_path, extract)


def test_a_contract_without_any_band_is_refused(tmp_path, extract):
    owner = unpaid(extract).select("contract_id", "lead_provider_id", "contract_period")[:1]
    for name, key in (("bands", ["lead_provider_id", "contract_period"]), ("band_terms", ["contract_id"])):
        everyone = read(extract, "contracts").join(owner, on=["lead_provider_id", "contract_period"], how="semi")
        read(extract, name).join(everyone, on=key, how="anti").write_csv(extract / f"{name}.csv")
    assert "has a statement not yet paid and no bands" in refused(tmp_path, extract)


@pytest.mark.parametrize("column", ["month", "payment_date"])
def test_two_statements_of_one_month_or_payment_date_are_refused(tmp_path, extract, column):
    statements = read(extract, "statements").with_row_index("place", 1)
    contract = unpaid(extract)["contract_id"][0]
    own = statements.filter((pl.col("contract_id") == contract) & (pl.col("status") != "paid")).sort("payment_date")
    second, first = own.to_dicts()[:2]  # the earlier one is given what the later one has
    same = {"month": ("year", "month"), "payment_date": ("payment_date",)}[column]
    is_second = pl.col("statement_id") == second["statement_id"]
    changed = {name: pl.when(is_second).then(pl.lit(first[name])).otherwise(pl.col(name)) for name in same}
    statements.with_columns(**changed).drop("place").write_csv(extract / "statements.csv")
    told = refused(tmp_path, extract)
    assert f"statements.csv, row {second['place']}, column {column}" in told
    assert first["statement_id"] in told


def test_a_milestone_that_ends_before_it_starts_is_refused(tmp_path, extract):
    milestones = read(extract, "milestones")
    ended = pl.when(pl.int_range(pl.len()) == 4).then(pl.lit("2001-01-01")).otherwise("milestone_date")
    milestones.with_columns(milestone_date=ended).write_csv(extract / "milestones.csv")
    assert "milestones.csv, row 5, column milestone_date: must not be before start_date" in refused(tmp_path, extract)


def mentors_on_unpaid(folder: Path) -> pl.DataFrame:
    """Declarations of mentors on statements not yet paid, under contracts that price mentors apart."""
    open_ones = (
        read(folder, "statements")
        .filter(pl.col("status") != "paid")
        .join(unpaid(folder).filter(contract_type="ittecf_ectp"), on="contract_id", how="semi")
    )
    mentors = read(folder, "training_periods").join(
        read(folder, "school_periods").filter(participant_type="mentor"), on="school_period_id", how="semi"
    )
    rows = read(folder, "declarations").with_row_index("place", 1)
    return rows.join(open_ones.select(payment_statement_id="statement_id"), on="payment_statement_id", how="semi").join(
        mentors, on="training_period_id", how="semi"
    ).filter(pl.col("payment_status") != "voided")  # fmt: skip


def test_a_declaration_type_without_a_proportion_is_refused(tmp_path, extract):
    chosen = mentors_on_unpaid(extract).row(0, named=True)
    kind = (
        pl.when(pl.col("declaration_id") == chosen["declaration_id"])
        .then(pl.lit("retained-1"))
        .otherwise("declaration_type")
    )
    read(extract, "declarations").with_columns(declaration_type=kind).write_csv(extract / "declarations.csv")
    told = refused(tmp_path, extract)
    assert (
        f"declarations.csv, row {chosen['place']}, column declaration_type: a mentor's retained-1 has no fee proportion"
        in told
    )


def test_mentors_without_a_fee_are_refused(tmp_path, extract):
    assert mentors_on_unpaid(extract).height
    read(extract, "contracts").with_columns(mentor_fee_per_declaration=pl.lit(None, pl.String)).write_csv(
        extract / "contracts.csv"
    )
    assert (
        "contracts.csv, row" in (told := refused(tmp_path, extract))
        and "column mentor_fee_per_declaration: is empty" in told
    )


def test_a_part_of_the_records_is_judged_with_what_is_there(installation, tmp_path):
    """An extract of band_terms alone may not leave a band of the records without a price."""
    export_records(installation.database, tmp_path / "whole")
    contract = unpaid(tmp_path / "whole")["contract_id"][0]
    (tmp_path / "part").mkdir()
    terms = read(tmp_path / "whole", "band_terms")
    terms.filter((pl.col("contract_id") != contract) | (pl.col("band") != "A")).write_csv(
        tmp_path / "part" / "band_terms.csv"
    )
    with pytest.raises(
        ExtractRefused, match=r"bands, column band: .*, A, in the records already: this band has no price"
    ):
        import_records(installation.database, tmp_path / "part", AT)


def test_what_is_paid_is_let_be(tmp_path, extract):
    """Contracts all of whose statements are paid may look as they like."""
    statements = read(extract, "statements")
    done = read(extract, "contracts").join(unpaid(extract), on="contract_id", how="anti")["contract_id"][0]
    terms = read(extract, "band_terms")
    terms.filter(pl.col("contract_id") != done).write_csv(extract / "band_terms.csv")
    assert statements.height
    with open_installation(Settings(home=tmp_path / "home")) as installation:
        import_records(installation.database, extract, instant(IMPORTED_AT))


# Where it stands in the records all the same


def spoil(installation: Installation, sql: str, *parameters: object) -> None:
    with installation.database.write() as connection:
        connection.exec_driver_sql(sql, parameters)
        connection.exec_driver_sql(
            "DELETE FROM statement_rounds"
        )  # nobody changes records so, and the next round would not see it


def statements_of(installation: Installation, provider, what: str) -> set[str]:
    with installation.database.read() as reader:
        found = reader.frame(
            "SELECT DISTINCT s.statement_id FROM statements s JOIN contracts c ON c.contract_id = s.contract_id "
            f"WHERE c.lead_provider_id = ? AND s.status <> 'paid' AND c.contract_period = 2026 {what}", provider.lead_provider_id,
        )  # fmt: skip
    return set(found["statement_id"])


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@pytest.mark.slow
def test_statements_of_a_contract_whose_band_has_no_terms_are_held_back(installation, provider):
    contract = (
        "contract_id IN (SELECT contract_id FROM contracts WHERE lead_provider_id = ? AND contract_period = 2026)"
    )
    spoil(installation, f"DELETE FROM band_terms WHERE band = 'B' AND {contract}", provider.lead_provider_id)
    done = statements_round(installation, AT)
    assert {line.split(":")[0] for line in done.held_back} == statements_of(installation, provider, "")
    assert all("bands B: this band has no price" in line for line in done.held_back)
    assert not list(box(installation, provider).glob("from-dfe/statements/2026/*"))
    assert list(box(installation, provider).glob("from-dfe/statements/2025/*"))
    with pytest.raises(ExchangeError, match="NO-PRICE"):
        chosen = _payable(installation, provider)
        authorise(installation, chosen, Decimal(1), AFTER)


def _payable(installation: Installation, provider) -> str:
    """A payable statement of 2026 that was delivered before its price was lost."""
    contract = (
        "contract_id IN (SELECT contract_id FROM contracts WHERE lead_provider_id = ? AND contract_period = 2026)"
    )
    spoil(installation, "INSERT INTO band_terms SELECT contract_id, 'B', fee_per_declaration, output_fee_ratio, service_fee_ratio "
                 f"FROM band_terms WHERE band = 'A' AND {contract}", provider.lead_provider_id)  # fmt: skip
    statements_round(installation, AFTER)
    spoil(installation, f"DELETE FROM band_terms WHERE band = 'B' AND {contract}", provider.lead_provider_id)
    return min(statements_of(installation, provider, "AND s.status = 'payable' AND s.fee_type = 'output'"))


@pytest.mark.slow
def test_a_declaration_without_a_price_holds_its_statement_back_alone(installation, provider):
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(1).write_csv())
    statements_round(installation, AT)
    with installation.database.read() as reader:
        [made] = reader.frame(
            "SELECT declaration_id, payment_statement_id FROM declarations WHERE created_at = ?", NOW
        ).to_dicts()
    spoil(installation, "UPDATE school_periods SET participant_type = 'mentor' WHERE school_period_id IN (SELECT school_period_id FROM "
                 "training_periods t JOIN declarations d ON d.training_period_id = t.training_period_id WHERE d.declaration_id = ?)",
          made["declaration_id"])  # fmt: skip
    spoil(
        installation,
        "UPDATE declarations SET declaration_type = 'retained-4' WHERE declaration_id = ?",
        made["declaration_id"],
    )
    done = statements_round(installation, AT)
    assert {line.split(":")[0] for line in done.held_back} == {made["payment_statement_id"]}
    assert "a mentor's retained-4 has no fee proportion" in done.held_back[0]


def test_two_statements_of_one_payment_date_are_held_back(installation, provider):
    chosen = sorted(statements_of(installation, provider, ""))[:2]
    spoil(installation, "UPDATE statements SET payment_date = '2027-09-09' WHERE statement_id IN (?, ?)", *chosen)
    done = statements_round(installation, AT)
    assert sorted({line.split(":")[0] for line in done.held_back}) == chosen
    assert all("has this payment date" in line for line in done.held_back)


# Authorising pays what was seen


@pytest.fixture
def due(installation, provider) -> str:
    """A payable statement with declarations on it, delivered."""
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(5).write_csv())
    statements_round(installation, AT)
    statements_round(installation, AFTER)
    return min(statements_of(installation, provider, "AND s.status = 'payable' AND EXISTS (SELECT 1 FROM declarations d "
                                              "WHERE d.payment_statement_id = s.statement_id)"))  # fmt: skip


def test_it_is_paid_at_the_total_that_was_delivered(installation, provider, due):
    total = installation.versions.newest(due).total
    for typed in (total + Decimal("0.01"), -total, Decimal()):
        with pytest.raises(ExchangeError, match=r"NOT-THE-TOTAL: .* was typed"):
            authorise(installation, due, typed, AFTER)
    statement, _ = authorise(installation, due, total, AFTER)
    assert statement.total == total


def test_what_has_changed_since_is_not_paid(installation, provider, due):
    """A declaration is voided after the last delivery: the figures differ, and so does what would be paid."""
    before = installation.versions.newest(due).total
    with installation.database.read() as reader:
        [one] = reader.frame("SELECT MIN(declaration_id) AS d FROM declarations WHERE payment_statement_id = ? "
                             "AND payment_status = 'payable'", due)["d"]  # fmt: skip
    from flows.acts.void import void

    void(installation, one, "a mistake", AFTER)
    with pytest.raises(
        ExchangeError,
        match=r"NOT-AS-DELIVERED: .*statement.csv.*would come out differently today \(was \d+ .*would be \d+ ",
    ):
        authorise(installation, due, before, AFTER)
    assert statements_round(installation, AFTER).troubles == []
    now = installation.versions.newest(due).total
    assert now < before
    assert authorise(installation, due, now, AFTER)[0].total == now


def test_while_a_version_is_owed_nothing_is_paid(installation, provider, due, monkeypatch):
    from sftp.local import LocalMailbox
    from sftp.mailbox import MailboxError

    with installation.database.read() as reader:
        [one] = reader.frame("SELECT MIN(declaration_id) AS d FROM declarations WHERE payment_statement_id = ? "
                             "AND payment_status = 'payable'", due)["d"]  # fmt: skip
    from flows.acts.void import void

    void(installation, one, "a mistake", AFTER)

    def full(*_arguments):
        raise MailboxError("The mailbox's file system failed: No space left on device.")

    with monkeypatch.context() as patched:
        patched.setattr(LocalMailbox, "deliver", full)
        assert statements_round(installation, AFTER).troubles
    with pytest.raises(ExchangeError, match=r"NOT-DELIVERED: Version 3 of .* is still owed"):
        pay(installation, due, AFTER)
    statements_round(installation, AFTER)
    pay(installation, due, AFTER)
