"""Statements as delivered: settled on their day, versions only when something changed, adding up (interface 4)."""

import json
import shutil
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from data.records.extract import export_records, import_records
from flows.clock import instant
from flows.errors import ExchangeError
from flows.installation import Installation, open_installation
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from templates.folders import digest
from tests.conftest import IMPORTED_AT, NOW
from tests.exchange.provider import acceptable_rows, box, pay, put
from transforms.money import breakdowns

AT = instant(NOW)
ON_THE_DEADLINE, AFTER_IT = instant("2026-12-31T23:59:59Z"), instant("2027-01-01T00:00:00Z")


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@pytest.fixture
def delivered(installation: Installation, provider) -> Path:
    statements_round(installation, AT)
    return box(installation, provider) / "from-dfe" / "statements"


def money(rows: pl.DataFrame, column: str = "amount") -> Decimal:
    return sum((Decimal(value) for value in rows[column]), Decimal())


def read(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def test_every_statement_that_is_wanted_is_delivered_whole(installation, provider, delivered):
    """Those with something on them, those no longer open, those whose deadline is near (62 days from 14 December)."""
    with installation.database.read() as reader:
        unpaid = reader.frame(
            "SELECT s.statement_id FROM statements s JOIN contracts c ON c.contract_id = s.contract_id "
            "WHERE s.status <> 'paid' AND c.lead_provider_id = ? AND (s.status <> 'open' OR s.deadline_date <= '2027-02-14' "
            "OR EXISTS (SELECT 1 FROM declarations d WHERE s.statement_id IN (d.payment_statement_id, d.clawback_statement_id)) "
            "OR EXISTS (SELECT 1 FROM adjustments a WHERE a.statement_id = s.statement_id))",
            provider.lead_provider_id,
        )
    manifests = [json.loads(path.read_text()) for path in delivered.glob("*/*/*/manifest.json")]
    assert {manifest["statement_id"] for manifest in manifests} == set(unpaid["statement_id"])
    for path in delivered.glob("*/*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        assert path.parent.name == f"v{manifest['version']:02}-{manifest['status']}"
        for listed in manifest["files"]:
            assert digest(path.parent / listed["name"]) == listed["sha256"]


def test_every_delivered_statement_adds_up_to_the_penny(delivered):
    seen = 0
    for path in delivered.glob("*/*/*"):
        lines, declarations, partners = (
            read(path / f"{name}.csv") for name in ("statement", "declarations", "delivery-partners")
        )
        total = lines.filter(section="total")
        assert total.height == 1 and lines["section"][-1] == "total"
        assert money(lines.filter(pl.col("section") != "total")) == money(total)
        outputs = money(lines.filter(pl.col("section").is_in(["output", "clawback"])))
        uplifts = money(lines.filter(pl.col("section").is_in(["uplift", "uplift-clawback"])))
        assert money(declarations) == outputs == money(declarations, "share_amount")
        assert money(declarations, "uplift_amount") == uplifts
        assert money(partners) == outputs + uplifts
        files = list((path / "delivery-partners").glob("*.csv")) if (path / "delivery-partners").exists() else []
        for file in files:
            own = read(file)
            assert own["delivery_partner_id"].n_unique() == 1
            assert not {"band", "rate", "amount"} & set(own.columns)
            due = money(partners.filter(delivery_partner_id=own["delivery_partner_id"][0]))
            assert money(own, "share_amount") + money(own, "uplift_amount") == due
            seen += own.height
        assert sum(read(file).height for file in files) == declarations.height
    assert seen > 0


def test_nothing_changed_means_no_new_version(installation, delivered):
    again = statements_round(installation, instant("2026-12-15T10:00:00Z"))
    assert (again.made, again.delivered) == ([], 0)
    assert again.unchanged > 0


def test_a_new_declaration_makes_a_new_version_of_its_statement_alone(installation, provider, delivered):
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(1).write_csv())
    done = statements_round(installation, instant("2026-12-15T10:00:00Z"))
    assert len(done.intake.outcomes) == 1
    assert len(done.made) == 1
    path = box(installation, provider) / done.made[0].path
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["version"] == 2
    assert (box(installation, provider) / manifest["previous_version"] / "manifest.json").exists()
    index = read(box(installation, provider) / "from-dfe" / "index.csv")
    assert index.filter(what="statement")["replaces"][-1] == manifest["previous_version"]


def test_a_statement_is_open_on_its_deadline_and_payable_the_day_after(installation):
    earlier = statements_round(installation, ON_THE_DEADLINE).settled
    settled = statements_round(installation, AFTER_IT).settled
    with installation.database.read() as reader:
        due = reader.frame(
            "SELECT statement_id, status FROM statements WHERE deadline_date = '2026-12-31' AND status <> 'paid'"
        )
        moved = reader.frame(
            "SELECT DISTINCT d.payment_status FROM declarations d JOIN statements s ON s.statement_id = d.payment_statement_id "
            "WHERE s.deadline_date = '2026-12-31' AND d.payment_status <> 'voided' AND s.status <> 'paid'"
        )
    assert set(settled) == set(due["statement_id"])
    assert not set(earlier) & set(settled)
    assert set(due["status"]) == {"payable"} and set(moved["payment_status"]) == {"payable"}


@pytest.mark.slow
def test_deadlines_pass_on_the_london_day(home, sample, tmp_path):
    """A deadline of 31 July is over at 23:00 UTC, when London's summer day ends."""
    with open_installation(Settings(home=home, seconds_between_looks=0)) as installation:
        statements = pl.read_csv(sample / "statements.csv", infer_schema=False)
        summer = pl.when(pl.col("deadline_date") == "2026-12-31").then(pl.lit("2027-07-31")).otherwise("deadline_date")
        paid = pl.when(pl.col("deadline_date") == "2026-12-31").then(pl.lit("2027-08-27")).otherwise("payment_date")
        (tmp_path / "in").mkdir()
        changed = statements.with_columns(summer.alias("deadline_date"), paid.alias("payment_date"))
        changed.write_csv(tmp_path / "in" / "statements.csv")
        import_records(installation.database, tmp_path / "in", instant(IMPORTED_AT))
        moved = set(changed.filter(deadline_date="2027-07-31")["statement_id"])
        before = set(statements_round(installation, instant("2027-07-31T22:59:59Z")).settled)
        after = set(statements_round(installation, instant("2027-07-31T23:00:00Z")).settled)
    assert moved and not moved & before and moved <= after


def payable(installation: Installation, provider) -> str:
    with installation.database.read() as reader:
        rows = reader.frame(
            "SELECT s.statement_id FROM statements s JOIN contracts c ON c.contract_id = s.contract_id "
            "JOIN declarations d ON d.payment_statement_id = s.statement_id "
            "WHERE s.status = 'payable' AND s.fee_type = 'output' AND c.lead_provider_id = ? ORDER BY 1",
            provider.lead_provider_id,
        )
    return rows["statement_id"][0]


def test_authorising_pays_freezes_and_delivers(installation, provider, delivered):
    chosen = payable(installation, provider)
    statement, path = pay(installation, chosen, instant("2026-12-16T10:00:00Z"))
    assert path.endswith("-paid")
    assert set(read(box(installation, provider) / path / "statement.csv")["status"]) == {"paid"}
    with installation.database.read() as reader:
        states = reader.frame("SELECT DISTINCT payment_status FROM declarations WHERE payment_statement_id = ?", chosen)
        frozen = reader.frame("SELECT total FROM statement_versions WHERE statement_id = ? AND status = 'paid'", chosen)
    assert set(states["payment_status"]) <= {"paid", "voided"}
    assert Decimal(frozen["total"][0]) == statement.total
    assert all(
        made.statement_id != chosen for made in statements_round(installation, instant("2026-12-17T10:00:00Z")).made
    )


@pytest.mark.parametrize("moment", ["2026-12-16T10:00:00Z"])
def test_what_is_not_payable_cannot_be_authorised(installation, provider, delivered, moment):
    chosen = payable(installation, provider)
    pay(installation, chosen, instant(moment))
    with pytest.raises(ExchangeError, match=r"NOT-PAYABLE.*It is paid already"):
        pay(installation, chosen, instant(moment))
    with installation.database.read() as reader:
        still_open = reader.frame("SELECT statement_id FROM statements WHERE status = 'open'")["statement_id"][0]
    with pytest.raises(ExchangeError, match="NOT-PAYABLE"):
        pay(installation, still_open, instant(moment))
    with pytest.raises(ExchangeError, match="NO-STATEMENT"):
        pay(installation, "nothing", instant(moment))


@pytest.mark.slow
def test_a_service_statement_is_authorised_the_same_way(installation):
    statements_round(installation, instant("2026-12-01T10:00:00Z"))
    with installation.database.read() as reader:
        service = reader.frame("SELECT statement_id FROM statements WHERE status = 'payable' AND fee_type = 'service'")
    statement, _ = pay(installation, service["statement_id"][0], instant("2026-12-02T10:00:00Z"))
    assert statement.facts["status"] == "paid"


def test_a_statement_that_does_not_add_up_stays_in_the_house(installation, provider, monkeypatch):
    honest = breakdowns.share

    def short(declarations, ordered):
        shares = honest(declarations, ordered)
        rigged = shares.partners.with_columns(
            pl.when(pl.int_range(pl.len()) == 0).then(pl.col("pence") - 1).otherwise("pence").alias("pence")
        )
        return type(shares)(rigged, shares.declarations)

    monkeypatch.setattr("transforms.money.computing.share", short)
    done = statements_round(installation, AT)
    assert len({line.split(":")[0] for line in done.held_back}) == 1
    assert done.held_back[0].split(":")[0] not in {made.statement_id for made in done.made}
    assert len(done.made) > 0


@pytest.mark.parametrize("step", ["flows.rounds.versions.write_statement", "data.ledger.versions.Versions.add",
                                  "sftp.local.LocalMailbox.deliver", "data.ledger.deliveries.Deliveries.delivered"])  # fmt: skip
@pytest.mark.slow
def test_cut_off_while_making_statements_the_next_round_carries_on(installation, provider, monkeypatch, step, tmp_path):
    def cut(*_arguments, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(step, cut)
        with pytest.raises(KeyboardInterrupt):
            statements_round(installation, AFTER_IT)
    statements_round(installation, AFTER_IT)
    intake_round(installation, AFTER_IT)
    for each in installation.lead_providers()[:2]:
        index = read(box(installation, each) / "from-dfe" / "index.csv")
        folders = {
            path.parent.relative_to(box(installation, each)).as_posix()
            for path in box(installation, each).rglob("manifest.json")
        }
        assert index["sequence"].to_list() == [str(n) for n in range(1, index.height + 1)]
        assert set(index["path"]) == folders


@pytest.mark.slow
def test_the_ordered_basis_is_a_setting_per_provider(home, provider):
    with open_installation(Settings(home=home, seconds_between_looks=0, ordered_shares=provider.slug)) as installation:
        statements_round(installation, AT)
        bases = {
            each.slug: {
                json.loads(p.read_text())["delivery_partner_basis"]
                for p in box(installation, each).rglob("v*/manifest.json")
            }
            for each in installation.lead_providers()
        }
    assert bases.pop(provider.slug) == {"ordered"}
    assert set().union(*bases.values()) == {"blended"}


def test_no_partners_file_says_a_word_of_another(delivered):
    for path in delivered.glob("*/*/*/delivery-partners"):
        names = {name for file in path.glob("*.csv") for name in read(file)["delivery_partner_name"]}
        for file in path.glob("*.csv"):
            own = read(file)["delivery_partner_name"][0]
            assert not any(name in file.read_text() for name in names - {own})


@pytest.mark.slow
def test_settling_changes_statuses_and_nothing_else(installation, tmp_path):
    export_records(installation.database, tmp_path / "before")
    statements_round(installation, AFTER_IT)
    export_records(installation.database, tmp_path / "after")
    for path in sorted((tmp_path / "before").iterdir()):
        before, after = read(path), read(tmp_path / "after" / path.name)
        if path.stem == "statements":
            before, after = before.drop("status"), after.drop("status")
        if path.stem == "declarations":
            before, after = (rows.drop("payment_status", "updated_at") for rows in (before, after))
        assert before.equals(after), path.stem


# When an open statement is first delivered


@pytest.fixture
def far(home: Path, provider_id: str) -> str:
    """An open output statement of 2026 with nothing on it, whose deadline is far."""
    with open_installation(Settings(home=home)) as installation, installation.database.write() as connection:
        chosen = connection.exec_driver_sql(
            "SELECT s.statement_id FROM statements s JOIN contracts c ON c.contract_id = s.contract_id WHERE c.lead_provider_id = ? "
            "AND c.contract_period = 2026 AND s.fee_type = 'output' AND s.year = 2027 AND s.month = 4 AND NOT EXISTS "
            "(SELECT 1 FROM declarations d WHERE s.statement_id IN (d.payment_statement_id, d.clawback_statement_id))", (provider_id,),
        ).scalar_one()  # fmt: skip
        connection.exec_driver_sql("UPDATE statements SET status = 'open' WHERE statement_id = ?", (chosen,))
        connection.exec_driver_sql("DELETE FROM adjustments WHERE statement_id = ?", (chosen,))
    return str(chosen)


@pytest.fixture
def provider_id(home: Path) -> str:
    with open_installation(Settings(home=home)) as installation:
        return installation.lead_providers()[0].lead_provider_id


def versions_of(installation: Installation, statement_id: str) -> list[str]:
    with installation.database.read() as reader:
        return reader.frame(
            "SELECT status FROM statement_versions WHERE statement_id = ? ORDER BY version", statement_id
        )["status"].to_list()


@pytest.mark.slow
def test_an_open_statement_comes_62_days_before_its_deadline(far, installation):
    """The deadline is 31 March 2027."""
    assert statements_round(installation, instant("2027-01-27T12:00:00Z")).not_wanted > 0
    assert versions_of(installation, far) == []
    statements_round(installation, instant("2027-01-28T00:00:00Z"))
    assert versions_of(installation, far) == ["open"]


@pytest.mark.slow
def test_an_open_statement_comes_when_something_is_expected_of_it(far, installation, provider):
    who = acceptable_rows(installation, provider)["participant_id"][0]
    put(installation, provider, "expected-payments.csv",
        f"statement_month,contract_period,participant_id,course_identifier,declaration_type\n2027-04,2026,{who},ecf-induction,started\n")  # fmt: skip
    statements_round(installation, AT)
    assert versions_of(installation, far) == ["open"]


@pytest.mark.slow
def test_an_open_statement_comes_when_it_is_adjusted_and_stays(far, installation):
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO adjustments VALUES (?, ?, 'a correction', '-10.00')",
            ("dddddddd-0000-4000-8000-000000000001", far),
        )
    statements_round(installation, AT)
    with installation.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM adjustments WHERE statement_id = ?", (far,))
    statements_round(installation, AT)
    assert versions_of(installation, far) == ["open", "open"]


@pytest.mark.slow
def test_what_became_payable_comes_whatever_is_on_it(far, installation):
    with installation.database.write() as connection:
        connection.exec_driver_sql("UPDATE statements SET status = 'payable' WHERE statement_id = ?", (far,))
    statements_round(installation, AT)
    assert versions_of(installation, far) == ["payable"]
