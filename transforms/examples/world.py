"""A handful of made-up records, for examples of rules: one participant of one lead provider, and what is changed about them."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from schemas.columns import typed
from schemas.facts import contract_periods, milestones
from schemas.needs import FRAMES, Snapshot

US, OTHERS = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
SCHOOL, PARTNER = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
SECOND_SCHOOL, SECOND_PARTNER = "33333333-3333-4333-8333-333333333334", "44444444-4444-4444-8444-444444444445"
URNS = {SCHOOL: "123456", SECOND_SCHOOL: "654321"}
PARTICIPANT = "55555555-5555-4555-8555-555555555555"
STRANGER = "66666666-6666-4666-8666-666666666666"
TRN = "0123456"
NOW = datetime(2025, 11, 10, 12, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def an_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@dataclass(frozen=True)
class Partnership:
    """A school partnership."""

    contract_period: int = 2025
    school: str = SCHOOL
    provider: str = US
    partner: str = PARTNER
    created_at: str = "2025-07-01T09:00:00Z"

    @property
    def id(self) -> str:
        return an_id(f"partnership {self.provider} {self.partner} {self.school} {self.contract_period}")


@dataclass(frozen=True)
class Training:
    """One training period. A provider of None is school-led training, or an expression of interest in `interest`."""

    role: str = "ect"
    contract_period: int = 2025
    schedule: str | None = "ecf-standard-september"
    provider: str | None = US
    started_on: date = date(2025, 9, 1)
    finished_on: date | None = None
    withdrawn_at: datetime | None = None
    withdrawal_reason: str | None = None
    deferred_at: datetime | None = None
    deferral_reason: str | None = None
    participant: str = PARTICIPANT
    school: str = SCHOOL
    partner: str = PARTNER
    interest: str | None = None
    left_school_on: date | None = None

    @property
    def id(self) -> str:
        return an_id(f"{self.participant} {self.role} {self.provider} {self.contract_period} {self.started_on}")

    @property
    def school_period(self) -> str:
        return an_id(f"school period {self.participant} {self.role} {self.school}")

    @property
    def partnership(self) -> Partnership | None:
        return Partnership(self.contract_period, self.school, self.provider, self.partner) if self.provider else None


@dataclass(frozen=True)
class Declared:
    """One declaration, live unless its statuses say otherwise."""

    kind: str
    at: str
    evidence: str | None = None
    training: Training = Training()
    status: str = "eligible"
    clawback: str = "no_clawback"
    statement: str | None = None
    clawback_statement: str | None = None

    @property
    def id(self) -> str:
        return an_id(f"{self.kind} {self.at} {self.training}")


def frame(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of one frame of a snapshot; what a row leaves out is null."""
    columns = FRAMES[name]
    empty = typed(pl.DataFrame(schema=dict.fromkeys(columns, pl.String)))
    return pl.DataFrame([{c: row.get(c) for c in columns} for row in rows], schema=empty.schema)


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
    person: dict[str, Any] = field(default_factory=dict)
    partnerships: tuple[Partnership, ...] = ()
    pairings: tuple[tuple[str, int], ...] = ((PARTNER, 2025), (SECOND_PARTNER, 2025), (PARTNER, 2024), (PARTNER, 2026))
    ineligible_schools: tuple[str, ...] = ()
    choice: str | None = None
    merged: tuple[tuple[str, str], ...] = ()
    disabled: tuple[int, ...] = ()

    def snapshot(self) -> Snapshot:
        return Snapshot(
            participants=frame("participants", self._participants()),
            participant_id_changes=frame(
                "participant_id_changes",
                [{"from_participant_id": one, "to_participant_id": other} for one, other in self.merged],
            ),
            school_periods=frame("school_periods", self._school_periods()),
            training_periods=frame("training_periods", [self._training_period(each) for each in self.training]),
            partnerships=frame("partnerships", self._partnerships()),
            partnership_moves=frame("partnership_moves", []),
            declarations=frame("declarations", [self._declaration(each) for each in self.declared]),
            mentorships=frame("mentorships", self._mentorships()),
            contract_periods=self._contract_periods(),
            milestones=milestones(),
            schools=frame(
                "schools",
                [{"school_id": s, "urn": u, "eligible": s not in self.ineligible_schools} for s, u in URNS.items()],
            ),
            school_contract_periods=frame("school_contract_periods", self._school_years()),
            delivery_partners=frame(
                "delivery_partners",
                [
                    {"delivery_partner_id": PARTNER, "name": "First Partner"},
                    {"delivery_partner_id": SECOND_PARTNER, "name": "Second Partner"},
                ],
            ),
            provider_delivery_partners=frame(
                "provider_delivery_partners",
                [{"delivery_partner_id": who, "contract_period": year} for who, year in self.pairings],
            ),
            statements=frame("statements", self._statements()),
            events=frame("events", []),
            extract_requests=frame("extract_requests", []),
            extract_sets=frame("extract_sets", []),
            expected_payments=frame("expected_payments", []),
            stated_before=frame("stated_before", []),
        )

    def _participants(self) -> list[dict[str, Any]]:
        eligible = utc("2025-09-03T10:00:00Z") if self.eligible else None
        person = {
            "trn": self.trn,
            "ect_first_became_eligible_at": eligible,
            "mentor_first_became_eligible_at": eligible,
        }
        return [
            {"participant_id": who} | person | self.person for who in sorted({t.participant for t in self.training})
        ]

    def _school_periods(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for each in self.training:
            start = min(
                [each.started_on] + [t.started_on for t in self.training if t.school_period == each.school_period]
            )
            found[each.school_period] = {
                "school_period_id": each.school_period, "participant_id": each.participant,
                "participant_type": each.role, "school_id": each.school, "started_on": start,
                "finished_on": each.left_school_on,
            }  # fmt: skip
        return list(found.values())

    @staticmethod
    def _training_period(each: Training) -> dict[str, Any]:
        return {
            "training_period_id": each.id, "school_period_id": each.school_period,
            "training_programme": "provider_led" if each.provider or each.interest else "school_led",
            "partnership_id": each.partnership.id if each.partnership else None,
            "expression_of_interest_lead_provider_id": each.interest,
            "expression_of_interest_contract_period": each.contract_period if each.interest else None,
            "schedule_identifier": each.schedule, "started_on": each.started_on, "finished_on": each.finished_on,
            "withdrawn_at": each.withdrawn_at, "withdrawal_reason": each.withdrawal_reason,
            "deferred_at": each.deferred_at, "deferral_reason": each.deferral_reason,
        }  # fmt: skip

    def _partnerships(self) -> list[dict[str, Any]]:
        every = {p.id: p for p in (*(t.partnership for t in self.training if t.partnership), *self.partnerships)}
        return [
            {
                "partnership_id": key, "lead_provider_id": p.provider, "delivery_partner_id": p.partner,
                "school_id": p.school, "contract_period": p.contract_period, "created_at": utc(p.created_at),
            }
            for key, p in every.items()
        ]  # fmt: skip

    @staticmethod
    def _declaration(each: Declared) -> dict[str, Any]:
        return {
            "declaration_id": each.id, "training_period_id": each.training.id, "declaration_type": each.kind,
            "declaration_date": utc(each.at), "evidence_held": each.evidence, "payment_status": each.status,
            "clawback_status": each.clawback, "payment_statement_id": each.statement,
            "clawback_statement_id": each.clawback_statement,
        }  # fmt: skip

    def _mentorships(self) -> list[dict[str, Any]]:
        names = ("ect_school_period_id", "mentor_id", "started_on", "finished_on")
        return [dict(zip(names, (Training().school_period, *each), strict=True)) for each in self.mentors]

    def _contract_periods(self) -> pl.DataFrame:
        periods = contract_periods()
        for year, moment in self.frozen.items():
            frozen = pl.when(pl.col("contract_period") == year).then(pl.lit(moment, pl.Datetime("us", "UTC")))
            periods = periods.with_columns(frozen.otherwise("payments_frozen_at").alias("payments_frozen_at"))
        closed = pl.col("contract_period").is_in(self.disabled)
        return periods.with_columns((pl.col("enabled") & ~closed).alias("enabled"))

    def _school_years(self) -> list[dict[str, Any]]:
        if self.uplifts is None and self.choice is None:
            return []
        premium, sparse = self.uplifts or (False, False)
        return [
            {
                "school_id": SCHOOL, "contract_period": year,
                "induction_programme_choice": self.choice or "provider_led",
                "pupil_premium_uplift": premium, "sparsity_uplift": sparse,
            }
            for year in range(2021, 2027)
        ]  # fmt: skip

    def _statements(self) -> list[dict[str, Any]]:
        return [
            {
                "statement_id": a_statement(year, deadline, kind), "contract_period": year, "year": deadline.year,
                "month": deadline.month, "fee_type": kind, "deadline_date": deadline, "status": status,
            }
            for year in range(2021, 2027)
            for deadline, kind, status in self.deadlines
        ]  # fmt: skip


def a_statement(year: int = 2025, deadline: date = date(2025, 12, 31), kind: str = "output") -> str:
    return an_id(f"statement {year} {deadline} {kind}")


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


def a_training_row(**changes: str) -> dict[str, str]:
    """Whose training, for deferrals, withdrawals, resumptions and schedule changes."""
    return {"participant_id": PARTICIPANT, "course_identifier": "ecf-induction"} | changes
