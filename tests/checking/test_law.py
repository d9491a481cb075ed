"""The law of checking: of rows of which everything could be judged, on owners whose rows above are such too, check says what intake
says of them, on the records that the extract was made of. Of other rows it names only rules that they break."""

import json
import random
from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.snapshots import snapshot_for
from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.extracts import extracts_round
from flows.settings import Settings
from schemas.facts import evidence_matrix
from schemas.inbound.form import form_rules, with_owners
from schemas.inbound.reading import Limits, read_sheet
from schemas.kinds import KINDS
from schemas.vocabulary import (
    COURSE_IDENTIFIERS,
    DECLARATION_TYPES,
    DEFERRAL_REASONS,
    SCHEDULE_IDENTIFIERS,
    WITHDRAWAL_REASONS,
)
from tests.laws import tried
from transforms.changes import act_of_file
from transforms.checking.check import check
from transforms.checking.extract import FILES, snapshot_of
from transforms.judging import judge
from transforms.updates import UPDATES

NOW = "2026-12-14T10:00:00Z"
ROWS = 20
EVIDENCE = sorted(evidence_matrix()["evidence_type"].drop_nulls().unique().to_list())
# What makes records less tidy than the sample: whoever is hit is withdrawn, deferred, moved, merged, not eligible any more.
MESS = (
    "UPDATE training_periods SET deferred_at = '2026-10-01 09:00:00', deferral_reason = 'other' WHERE rowid % 11 = 3",
    "UPDATE training_periods SET withdrawn_at = '2026-11-01 09:00:00', withdrawal_reason = 'other', finished_on = '2026-11-01' "
    "WHERE rowid % 13 = 5 AND started_on < '2026-10-01'",
    "UPDATE training_periods SET finished_on = '2027-03-01' WHERE rowid % 17 = 2 AND finished_on IS NULL",
    "UPDATE training_periods SET started_on = '2026-12-14' WHERE rowid % 29 = 1 AND finished_on IS NULL",
    "UPDATE participants SET mentor_funding_end_date = '2026-11-15', mentor_funding_end_reason = 'started_not_completed' "
    "WHERE rowid % 7 = 2",
    "UPDATE participants SET ect_first_became_eligible_at = NULL WHERE rowid % 19 = 4",
    "UPDATE participants SET induction_end_date = '2026-11-20' WHERE rowid % 23 = 6",
    "UPDATE schools SET eligible = 0 WHERE rowid % 9 = 1",
    "UPDATE school_contract_periods SET induction_programme_choice = 'school_led' WHERE rowid % 8 = 1",
    "UPDATE declarations SET payment_status = 'voided' WHERE rowid % 31 = 7 AND payment_status IN ('eligible', 'payable')",
    "UPDATE statements SET status = 'paid' WHERE fee_type = 'output' AND contract_id IN "
    "(SELECT contract_id FROM contracts WHERE contract_period = 2024)",
)


class Ground:
    """Records and the extract that was made of them, for one lead provider."""

    def __init__(self, installation):
        self.installation = installation
        provider = max(installation.lead_providers(), key=self._declarations)
        self.own = provider.lead_provider_id
        assert extracts_round(installation, instant(NOW)).troubles == []
        folder = installation.settings.home / "mailboxes" / provider.slug / "from-dfe/extracts/full"
        self.frames = {name: pl.read_csv(folder / f"{name}.csv", infer_schema=False) for name in FILES}
        said = json.loads((folder / "manifest.json").read_text())
        self.records = snapshot_of(self.frames, said["lead_provider_id"], said["lead_provider_name"])
        with installation.database.read() as reader:
            self.ids = {
                name: reader.frame(sql).to_series().to_list()
                for name, sql in (
                    ("participants", "SELECT participant_id FROM participants ORDER BY 1 LIMIT 200"),
                    ("declarations", "SELECT declaration_id FROM declarations ORDER BY 1 LIMIT 300"),
                    ("schools", "SELECT urn FROM schools ORDER BY 1 LIMIT 100"),
                    ("partnerships", "SELECT partnership_id FROM partnerships ORDER BY 1 LIMIT 50"),
                    ("partners", "SELECT delivery_partner_id FROM delivery_partners ORDER BY 1 LIMIT 50"),
                )
            }

    def _declarations(self, provider):
        with self.installation.database.read() as reader:
            sql = "SELECT COUNT(*) AS count FROM partnerships WHERE lead_provider_id = ?"
            return int(reader.frame(sql, provider.lead_provider_id).item())

    def rows(self, kind, chance):
        """Random rows of a kind: mostly their own records, some of others, some nonsense."""

        def mostly(own, others, nonsense="nonsense"):
            one = chance.random()
            return (
                chance.choice(own)
                if one < 0.8
                else chance.choice(others)
                if one < 0.95
                else chance.choice(["", nonsense])
            )

        def among(*words):
            return chance.choice([*words, *words, *words, *words, "", "nonsense"])

        people = self.frames["participants"].select("id", "participant_type").rows()
        found = []
        for _ in range(ROWS):
            who, role = chance.choice(people)
            course = "ecf-induction" if role == "ect" else "ecf-mentor"
            row = {
                "participant_id": mostly([who], self.ids["participants"]),
                "course_identifier": course if chance.random() < 0.8 else among(*COURSE_IDENTIFIERS),
                "declaration_type": among(*DECLARATION_TYPES),
                "declaration_date": chance.choice(
                    ["2026-12-01T10:00:00Z", "2026-09-10T10:00:00Z", "2025-11-03T09:30:00Z", "2024-10-03T09:30:00Z",
                     "2027-01-01T00:00:00Z", "2026-11-01", "", chance.choice(self.frames["declarations"]["declaration_date"].to_list())]
                ),
                "evidence_held": among(*EVIDENCE),
                "trn": among("0123456", "12345", chance.choice(self.frames["participants"]["teacher_reference_number"].to_list()) or ""),
                "declaration_id": mostly(self.frames["declarations"]["id"].to_list(), self.ids["declarations"]),
                "reason": among(*DEFERRAL_REASONS, *WITHDRAWAL_REASONS),
                "schedule_identifier": among(*SCHEDULE_IDENTIFIERS),
                "contract_period": among("2021", "2023", "2024", "2025", "2026", "2027"),
                "school_urn": mostly(self.frames["schools"]["urn"].to_list(), self.ids["schools"], "12"),
                "delivery_partner_id": mostly(self.frames["delivery-partners"]["id"].to_list(), self.ids["partners"]),
                "partnership_id": mostly(self.frames["partnerships"]["id"].to_list(), self.ids["partnerships"]),
                "statement_month": among("2027-01", "2026-12"),
                "expected_amount": among("119.40", "119,40"),
                "request": among("extract"),
                "your_reference": "",
            }  # fmt: skip
            found.append({name: row[name] for name in kind.columns})
        return pl.DataFrame(found).write_csv().encode()

    def compare(self, kind, content, has_extract):
        sheet = read_sheet(content, kind, Limits())
        at = instant(NOW)
        act = act_of_file(f"{at:%Y%m%dT%H%M%SZ}-{kind.name}-check", self.own, at)
        with self.installation.database.read() as reader:
            snapshot = snapshot_for(reader, kind.needs, sheet.values, self.own)
        intake = judge(sheet, kind, snapshot, act)
        checked = check(sheet, kind, self.records if has_extract else None, act)
        return sheet, snapshot, intake, checked


@pytest.fixture(scope="module")
def ground(filled_home, tmp_path_factory):
    import shutil

    home = shutil.copytree(filled_home, tmp_path_factory.mktemp("ground") / "home")
    with open_installation(Settings(home=home, seconds_between_looks=0)) as installation:
        with installation.database.write() as connection:
            for sql in MESS:
                connection.exec_driver_sql(sql)
        yield Ground(installation)


def codes_by_row(findings):
    found = {}
    for number, code, field in findings.select("row_number", "code", "field").iter_rows():
        found.setdefault(number, set()).add((code, field))
    return found


def told(ground, kind, content, has_extract):
    """(rows of which everything was judged, rows, what differs)."""
    sheet, snapshot, intake, checked = ground.compare(kind, content, has_extract)
    update = UPDATES[kind.name]
    whose = update.owner(sheet.values, snapshot) if update.owner else None
    owners = with_owners(kind, sheet.values, whose)["owner"].to_list()
    theirs, ours = codes_by_row(intake.findings), codes_by_row(checked.judgement.findings)
    outcomes = zip(intake.verdicts["outcome"], checked.judgement.verdicts["outcome"], strict=True)
    wrong, whole, doubted = [], 0, set()
    rows = sheet.values.to_dicts()
    for number, (owner, (intake_says, check_says), left) in enumerate(
        zip(owners, outcomes, checked.not_judged["codes"], strict=True), 1
    ):
        if len(left) or (owner is not None and owner in doubted):
            doubted.add(owner)
            continue
        whole += 1
        same = (intake_says == "rejected") == (check_says == "rejected")
        if not same or theirs.get(number, set()) != ours.get(number, set()):
            wrong.append((rows[number - 1], intake_says, theirs.get(number), check_says, ours.get(number)))
    return whole, len(owners), wrong


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@tried(30)
@given(seed=st.integers(0, 10_000))
@pytest.mark.slow
def test_what_could_be_judged_is_what_intake_says(ground, kind, seed):
    whole, rows, wrong = told(ground, kind, ground.rows(kind, random.Random(seed)), has_extract=True)
    assert wrong == []


# Of partnerships it cannot tell whether a school is eligible that has one with anybody in each contract period.
@pytest.mark.parametrize("kind", ["declarations", "voids", "deferrals", "withdrawals", "expected-payments"])
def test_nearly_all_of_it_can_be_judged_with_an_extract(ground, kind):
    whole, rows = 0, 0
    for seed in range(5):
        judged, of, _ = told(ground, KINDS[kind], ground.rows(KINDS[kind], random.Random(seed)), has_extract=True)
        whole, rows = whole + judged, rows + of
    assert whole > rows / 2, f"{whole} of {rows}"


@pytest.mark.parametrize("has_extract", [True, False], ids=["extract", "file"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@tried(20)
@given(seed=st.integers(0, 10_000))
@pytest.mark.slow
def test_of_other_rows_only_rules_that_they_break_are_named(ground, kind, seed, has_extract):
    """Of the first rows of their owners, before anything was applied: each rule that check names is broken by the records themselves,
    whatever silences what."""
    sheet, snapshot, intake, checked = ground.compare(kind, ground.rows(kind, random.Random(seed)), has_extract)
    update, at = UPDATES[kind.name], instant(NOW)
    whose = update.owner(sheet.values, snapshot) if update.owner else None
    rows = with_owners(kind, sheet.values, whose)
    act = act_of_file(f"{at:%Y%m%dT%H%M%SZ}-{kind.name}-check", ground.own, at)
    seen = update.facts(rows, snapshot, act)
    first = set(rows.filter(pl.col("earlier_rows") == 0)["row_number"])
    broken = {
        (number, rule.key)
        for rule in (*form_rules(kind), *kind.rules)
        for number in seen.filter(rule.broken.fill_null(False))["row_number"]
    }
    named = checked.judgement.findings.filter(pl.col("row_number").is_in(first))
    assert {(row["row_number"], f"{row['code']}:{row['field']}") for row in named.to_dicts()} <= broken


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@tried(20)
@given(seed=st.integers(0, 10_000))
@pytest.mark.slow
def test_without_an_extract_rules_of_the_file_alone_are_judged(ground, kind, seed):
    _, _, wrong = told(ground, kind, ground.rows(kind, random.Random(seed)), has_extract=False)
    assert wrong == []


def test_expected_payments_are_judged_whole_without_an_extract(ground):
    kind = KINDS["expected-payments"]
    whole, rows, wrong = told(ground, kind, ground.rows(kind, random.Random(1)), has_extract=False)
    assert (whole, wrong) == (rows, [])


def test_a_day_is_the_same_for_both():
    assert isinstance(instant(NOW), datetime)
