"""The smallest records that matter, for tests of rules: one participant of one provider, and what is changed about them."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import polars as pl

from data.casting import INSTANT
from data.sample_contracts import contract_periods, milestones
from schemas.files import KINDS
from schemas.reading import Limits, Sheet, read_sheet
from schemas.snapshot import Snapshot
from transforms.effects import Submission
from transforms.judging import Judgement, judge_declarations

US, OTHERS = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
SCHOOL, PARTNER = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
PARTICIPANT = "55555555-5555-4555-8555-555555555555"
STRANGER = "66666666-6666-4666-8666-666666666666"
MENTOR = "77777777-7777-4777-8777-777777777777"
TRN = "0123456"
NOW = datetime(2025, 11, 10, 12, tzinfo=UTC)
DECLARATIONS = KINDS["declarations"]
COURSES = {"ect": "ecf-induction", "mentor": "ecf-mentor"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def an_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@dataclass(frozen=True)
class Training:
    """One training period. A provider of None is an expression of interest or school-led training."""

    role: str = "ect"
    contract_period: int = 2025
    schedule: str = "ecf-standard-september"
    provider: str | None = US
    started_on: date = date(2025, 9, 1)
    finished_on: date | None = None
    withdrawn_at: datetime | None = None
    deferred_at: datetime | None = None
    participant: str = PARTICIPANT

    @property
    def id(self) -> str:
        return an_id(f"{self.participant} {self.role} {self.provider} {self.contract_period} {self.started_on}")

    @property
    def school_period(self) -> str:
        return an_id(f"school period {self.participant} {self.role}")


@dataclass(frozen=True)
class Declared:
    """One live declaration."""

    kind: str
    at: str
    evidence: str | None = None
    training: Training = Training()
    status: str = "eligible"


@dataclass(frozen=True)
class World:
    """Records about participants, whose parts a test changes."""

    training: tuple[Training, ...] = (Training(),)
    declared: tuple[Declared, ...] = ()
    eligible: bool = True
    trn: str | None = TRN
    frozen: dict[int, datetime | None] = field(default_factory=dict)
    deadlines: tuple[tuple[date, str, str], ...] = ((date(2025, 12, 31), "output", "open"),)
    mentors: tuple[tuple[str, date, date | None], ...] = ()
    uplifts: tuple[bool, bool] | None = None

    def snapshot(self) -> Snapshot:
        return Snapshot(
            participants=self._participants(),
            training_periods=self._training_periods(),
            declarations=self._declarations(),
            mentorships=self._mentorships(),
            sent_evidence=pl.DataFrame(schema={"declaration_id": pl.String, "evidence_sent": pl.String}),
            contract_periods=self._contract_periods(),
            milestones=milestones(),
            school_contract_periods=self._school_years(),
            statements=self._statements(),
        )

    def _participants(self) -> pl.DataFrame:
        people = sorted({each.participant for each in self.training})
        eligible = utc("2025-09-03T10:00:00Z") if self.eligible else None
        return pl.DataFrame(
            {
                "participant_id": people,
                "trn": [self.trn] * len(people),
                "ect_first_became_eligible_at": [eligible] * len(people),
                "mentor_first_became_eligible_at": [eligible] * len(people),
                "mentor_funding_end_date": [None] * len(people),
                "mentor_funding_end_reason": [None] * len(people),
            },
            schema={
                "participant_id": pl.String,
                "trn": pl.String,
                "ect_first_became_eligible_at": INSTANT,
                "mentor_first_became_eligible_at": INSTANT,
                "mentor_funding_end_date": pl.Date,
                "mentor_funding_end_reason": pl.String,
            },
        )

    def _training_periods(self) -> pl.DataFrame:
        rows = [
            (
                each.participant, each.role, SCHOOL, each.id, each.school_period, each.provider,
                PARTNER if each.provider else None, each.contract_period, each.schedule, each.started_on,
                each.finished_on, each.withdrawn_at, each.deferred_at,
            )
            for each in self.training
        ]  # fmt: skip
        schema = {
            "participant_id": pl.String, "participant_type": pl.String, "school_id": pl.String,
            "training_period_id": pl.String, "school_period_id": pl.String, "lead_provider_id": pl.String,
            "delivery_partner_id": pl.String, "contract_period": pl.Int64, "schedule_identifier": pl.String,
            "started_on": pl.Date, "finished_on": pl.Date, "withdrawn_at": INSTANT, "deferred_at": INSTANT,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _declarations(self) -> pl.DataFrame:
        rows = [
            (
                an_id(f"{each}"), each.training.id, each.kind, utc(each.at), each.evidence, each.status, None,
                each.training.participant, each.training.role, each.training.provider,
            )
            for each in self.declared
        ]  # fmt: skip
        schema = {
            "declaration_id": pl.String, "training_period_id": pl.String, "declaration_type": pl.String,
            "declaration_date": INSTANT, "evidence_held": pl.String, "payment_status": pl.String,
            "payment_statement_id": pl.String, "participant_id": pl.String, "participant_type": pl.String,
            "lead_provider_id": pl.String,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _mentorships(self) -> pl.DataFrame:
        rows = [(Training().school_period, who, start, end) for who, start, end in self.mentors]
        schema = {
            "ect_school_period_id": pl.String,
            "mentor_id": pl.String,
            "started_on": pl.Date,
            "finished_on": pl.Date,
        }
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _contract_periods(self) -> pl.DataFrame:
        periods = contract_periods()
        for year, moment in self.frozen.items():
            chosen = pl.col("contract_period") == year
            frozen = pl.when(chosen).then(pl.lit(moment, INSTANT)).otherwise("payments_frozen_at")
            periods = periods.with_columns(frozen.alias("payments_frozen_at"))
        return periods

    def _school_years(self) -> pl.DataFrame:
        years = [2021, 2022, 2023, 2024, 2025, 2026] if self.uplifts else []
        premium, sparse = self.uplifts or (False, False)
        return pl.DataFrame(
            [(SCHOOL, year, "provider_led", premium, sparse) for year in years],
            schema={
                "school_id": pl.String, "contract_period": pl.Int64, "induction_programme_choice": pl.String,
                "pupil_premium_uplift": pl.Boolean, "sparsity_uplift": pl.Boolean,
            },
            orient="row",
        )  # fmt: skip

    def _statements(self) -> pl.DataFrame:
        rows = [
            (an_id(f"statement {year} {deadline} {kind}"), year, deadline.year, deadline.month, kind, deadline, status)
            for year in range(2021, 2027)
            for deadline, kind, status in self.deadlines
        ]
        schema = {
            "statement_id": pl.String, "contract_period": pl.Int64, "year": pl.Int64, "month": pl.Int64,
            "fee_type": pl.String, "deadline_date": pl.Date, "status": pl.String,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")


def a_row(**changes: str) -> dict[str, str]:
    """A row that keeps every rule in `World()`, but for what is changed."""
    row = {
        "participant_id": PARTICIPANT,
        "course_identifier": "ecf-induction",
        "declaration_type": "started",
        "declaration_date": "2025-11-03T09:30:00Z",
        "evidence_held": "training-event-attended",
    }
    return row | changes


def sheet_of(*rows: dict[str, str]) -> Sheet:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = pl.DataFrame(
        [[row.get(name) for name in columns] for row in rows], schema=dict.fromkeys(columns, pl.String), orient="row"
    )
    return read_sheet(table.write_csv().encode(), DECLARATIONS, Limits())


def judged(world: World | Snapshot, *rows: dict[str, str], now: datetime = NOW) -> Judgement:
    from flows.clock import london_day

    snapshot = world.snapshot() if isinstance(world, World) else world
    submission = Submission("20251110T120000Z-declarations-abcdef", US)
    return judge_declarations(sheet_of(*rows), DECLARATIONS, snapshot, submission, now, london_day(now))


def codes(judgement: Judgement, row: int = 1) -> list[str]:
    """The rules that a row breaks, in order."""
    return judgement.findings.filter(pl.col("row_number") == row)["code"].to_list()


def outcomes(judgement: Judgement) -> list[str]:
    return judgement.verdicts["outcome"].to_list()
