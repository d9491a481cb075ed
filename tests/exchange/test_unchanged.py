"""A round for which nothing has changed computes nothing, and tells what it would have told; whatever can change a figure is seen."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from data.ledger.uploads import Uploads
from data.records.extract import export_records, import_records
from flows.acts.adjust import add_adjustments
from flows.acts.void import void
from flows.clock import instant
from flows.installation import Installation, open_installation
from flows.rounds import statements, unchanged
from flows.rounds.statements import statements_round
from flows.settings import Settings
from schemas.reports import IntakeRound
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, put
from transforms.money.statement import FIRST_DELIVERED

AT = instant(NOW)


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry a round that computed."""
    seen: list[int] = []
    compute = statements.computed_of
    monkeypatch.setattr(statements, "computed_of", lambda *given, **how: seen.append(1) or compute(*given, **how))
    return seen


def told(done):
    return {name: value for name, value in vars(done).items() if name not in ("nowhere", "intake")}


@pytest.mark.slow
def test_the_second_round_computes_nothing_and_tells_the_same(installation, computed):
    made = statements_round(installation, AT)
    quick = statements_round(installation, AT)
    assert made.made and len(computed) == 1
    with installation.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM statement_rounds")
    whole = statements_round(installation, AT)
    assert len(computed) == 2 and told(quick) == told(whole) and quick.nowhere.equals(whole.nowhere)


def _declared(installation, provider, tmp_path):
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(1).write_csv())


def _rejected(installation, provider, tmp_path):
    rows = acceptable_rows(installation, provider).head(1)
    put(
        installation,
        provider,
        "declarations.csv",
        rows.with_columns(evidence_held=None, declaration_date=None).write_csv(),
    )


def _expected(installation, provider, tmp_path):
    rows = acceptable_rows(installation, provider).head(1)
    row = f"2027-01,2025,{rows['participant_id'][0]},ecf-induction,started"
    head = "statement_month,contract_period,participant_id,course_identifier,declaration_type"
    put(installation, provider, "expected-payments.csv", f"{head}\n{row}\n")


def _adjusted(installation, provider, tmp_path):
    with installation.database.read() as reader:
        own = reader.frame(
            "SELECT statement_id FROM statements WHERE status = 'open' AND fee_type = 'output' ORDER BY deadline_date"
        )["statement_id"][0]
    path = tmp_path / "adjustments.csv"
    path.write_text(f"statement_id,payment_type,amount\n{own},Something,12.34\n")
    add_adjustments(installation, path, AT)


def _voided(installation, provider, tmp_path):
    with installation.database.read() as reader:
        own = reader.frame("SELECT declaration_id FROM declarations WHERE payment_status = 'eligible'")[
            "declaration_id"
        ][0]
    void(installation, own, "by mistake", AT)


def _loaded(installation, provider, tmp_path):
    export_records(installation.database, tmp_path / "records")
    import_records(installation.database, tmp_path / "records", AT)


def _purged(installation, provider, tmp_path):
    """Of what receipts said, housekeeping leaves nothing: a discrepancy that says it again is another."""
    with installation.database.read() as reader:
        owned = reader.frame("SELECT submission_id FROM submissions")["submission_id"].to_list()
    Uploads(installation.database).purged(owned, AT)


def _ordered(installation, provider, tmp_path):
    installation.settings.ordered_shares = provider.slug


def _by_hand(installation, provider, tmp_path):
    with installation.database.write() as connection:
        connection.exec_driver_sql("UPDATE contracts SET vat_rate = '0.19'")


def _version_gone(installation, provider, tmp_path):
    with installation.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM statement_versions WHERE version = 1 AND status = 'open'")


@pytest.mark.parametrize(
    "change", [_declared, _rejected, _expected, _adjusted, _voided, _loaded, _purged, _ordered, _by_hand, _version_gone]
)
@pytest.mark.slow
def test_whatever_can_change_a_figure_is_seen(
    installation: Installation, provider, computed, tmp_path, change: Callable
):
    if change is _purged:
        _rejected(installation, provider, tmp_path)
    statements_round(installation, AT)
    change(installation, provider, tmp_path)
    statements_round(installation, AT)
    assert len(computed) == 2
    statements_round(installation, AT)
    assert len(computed) == 2


@pytest.mark.slow
def test_a_day_is_as_the_one_before_it_until_a_deadline_or_the_end_of_the_week(installation, computed):
    statements_round(installation, AT)  # a Monday
    statements_round(installation, AT + timedelta(days=1))
    assert len(computed) == 1
    statements_round(installation, AT + timedelta(days=7))
    assert len(computed) == 2
    with installation.database.read() as reader:
        deadlines = reader.frame("SELECT DISTINCT deadline_date FROM statements")["deadline_date"]
    days = [date.fromisoformat(each) for each in deadlines]
    for day in days[:50]:
        before, on, after = (unchanged._phase(days, day + timedelta(days=n)) for n in (-1, 0, 1))
        assert before != on != after
        near = day - FIRST_DELIVERED
        assert unchanged._phase(days, near - timedelta(days=1)) != unchanged._phase(days, near)


@pytest.mark.slow
def test_another_release_computes(installation, computed, monkeypatch):
    statements_round(installation, AT)
    monkeypatch.setattr(unchanged, "code", lambda: "another")
    statements_round(installation, AT)
    assert len(computed) == 2


@pytest.mark.slow
def test_a_round_that_was_cut_off_is_not_remembered(installation, computed, monkeypatch):
    class Cut(BaseException):
        """As by a signal: an error of one lead provider's is told, and the others go on."""

    def cut(*_):
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(statements, "write_versions", cut)
        with pytest.raises(Cut):
            statements_round(installation, AT)
    assert statements_round(installation, AT).made and len(computed) == 2


@pytest.mark.slow
def test_what_is_owed_or_damaged_is_seen_to_all_the_same(installation, provider, computed):
    statements_round(installation, AT)
    own = installation.outbox / provider.lead_provider_id / "from-dfe" / "statements"
    manifests = sorted(own.glob("2*.*/manifest.json")) or sorted(own.glob("2*/manifest.json"))
    assert manifests
    manifests[0].unlink()  # of a month's summary: it is made anew
    damaged = next(own.glob("*/*/v*/declarations.csv"))
    kept = damaged.read_bytes()
    damaged.write_bytes(b"")
    for _ in range(2):
        assert any("is not as it was delivered" in each for each in statements_round(installation, AT).troubles)
    damaged.write_bytes(kept)
    assert statements_round(installation, AT).troubles == []
    assert len(computed) == 1


@pytest.mark.slow
def test_one_lead_providers_round_is_its_part_of_everybodys(installation, home, provider, tmp_path):
    """One round for each comes to the same files and reports as one for all."""
    there = Settings(home=Path(shutil.copytree(home, tmp_path / "other")))
    with open_installation(there) as other:
        one_by_one = [statements_round(other, AT, chosen=[each]) for each in other.lead_providers()]
        at_once = statements_round(installation, AT)
        assert [each for done in one_by_one for each in done.made] == at_once.made
        assert sorted(each for done in one_by_one for each in done.settled) == sorted(at_once.settled)
        for name in ("unchanged", "not_wanted", "delivered"):
            assert sum(getattr(done, name) for done in one_by_one) == getattr(at_once, name)
        assert _versions(other) == _versions(installation) != {}
        # Whoever's statements move is told by events, which are everybody's: what one round made, the next may compute again.
        assert statements_round(other, AT).made == []


def _versions(installation):
    return {
        str(path.relative_to(installation.outbox)): path.read_bytes()
        for path in installation.outbox.glob("*/from-dfe/statements/*/*/v*/*.csv")
    }


@pytest.mark.slow
def test_who_is_at_anothers_statements_is_in_nobody_elses_way(installation, provider):
    with installation.database.only_one(statements.statements_lock(provider.slug)):
        done = statements_round(installation, AT)
    assert done.troubles == [f"{provider.slug}: another round is at its statements"]
    assert done.made and provider.name not in {each.lead_provider for each in done.standing}
    after = statements_round(installation, AT)
    assert {each.lead_provider for each in after.made} <= {provider.name} and after.troubles == []


@pytest.mark.slow
def test_what_changed_for_one_is_not_computed_for_all(installation, provider, computed, monkeypatch):
    """An adjustment's sum changed by hand leaves no event: whose statement it is, is seen all the same."""
    before = statements_round(installation, AT)
    asked = []
    compute = statements.computed_of
    monkeypatch.setattr(
        statements, "computed_of", lambda *given, owners: asked.append(owners) or compute(*given, owners=owners)
    )
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE contracts SET vat_rate = '0.19' WHERE lead_provider_id = '{provider.lead_provider_id}'"
        )
    done = statements_round(installation, AT)
    assert asked == [[provider.lead_provider_id]]
    whose = {each.lead_provider for each in done.standing}
    assert whose == {each.lead_provider for each in before.standing} and len(whose) > 1


@pytest.mark.slow
def test_the_look_names_those_who_have_something(installation, provider, tmp_path):
    """Whoever has nothing to move, compute or deliver is given no run."""
    everybody = [each.slug for each in installation.lead_providers()]
    assert statements.whose_statements(installation, AT) == (everybody, [])
    statements_round(installation, AT)
    assert statements.whose_statements(installation, AT) == ([], [])
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE contracts SET vat_rate = '0.19' WHERE lead_provider_id = '{provider.lead_provider_id}'"
        )
    assert statements.whose_statements(installation, AT) == ([provider.slug], [])
    statements_round(installation, AT, chosen=[provider])
    assert statements.whose_statements(installation, AT) == ([], [])
    with installation.database.write() as connection:  # a delivery that was cut off
        own = f"lead_provider_id = '{provider.lead_provider_id}'"
        connection.exec_driver_sql(
            f"UPDATE deliveries SET delivered_at = NULL, sequence = NULL WHERE {own} AND sequence = "
            f"(SELECT MAX(sequence) FROM deliveries WHERE {own})"
        )
    assert statements.whose_statements(installation, AT) == ([provider.slug], [])
    statements_round(installation, AT, chosen=[provider])
    _adjusted(installation, provider, tmp_path)  # an event is everybody's
    assert statements.whose_statements(installation, AT) == (everybody, [])


@pytest.mark.slow
def test_a_statement_that_stayed_open_past_its_deadline_is_looked_at_every_day(installation, provider):
    """Nothing has changed but that the mailbox can be looked at again."""
    later = AT + timedelta(days=20)
    shut = IntakeRound(unseen={provider.slug})
    held = statements_round(installation, later, shut)
    assert [each for each in held.troubles if each.startswith(provider.slug)]
    assert provider.slug in statements.whose_statements(installation, later)[0]
    statements_round(installation, later, IntakeRound())
    assert provider.slug not in statements.whose_statements(installation, later)[0] or held.settled == []
