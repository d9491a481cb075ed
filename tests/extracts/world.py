"""Small records for tests of extracts: who teaches where, trained by whom, and what is said of it."""

import uuid
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from schemas.columns import KINDS
from schemas.facts import contract_periods, milestones
from schemas.holdings import Holdings
from schemas.outbound.extracts import FILES
from schemas.records.tables import RECORDS
from transforms.extracts.making import make
from transforms.extracts.view import Nation, View

US, THEM = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
NAMES = {US: "Our Provider", THEM: "Their Provider"}
TODAY = date(2026, 3, 10)
MADE = datetime(2025, 9, 1, 8, tzinfo=UTC)


def an_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def a_trn(name: str) -> str:
    return f"{zlib.crc32(name.encode()) % 10_000_000:07}"


def frame(table: str, rows: list[dict[str, Any]], **more: Any) -> pl.DataFrame:
    """Rows of a table of the records, in its types; what a row leaves out is null. more: columns that are added."""
    columns = {name: KINDS[stored.kind].dtype for name, stored in RECORDS[table].columns.items()} | more
    return pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], schema=columns, orient="row")


@dataclass(frozen=True)
class Spell:
    """A time at a school in a role, and the training in it (start, end, provider, more columns of training_periods)."""

    person: str = "Ann"
    role: str = "ect"
    school: str = "Alpha"
    started_on: date = date(2025, 9, 1)
    finished_on: date | None = None
    training: tuple[dict[str, Any], ...] = ({},)
    email: str | None = None
    working_pattern: str | None = None
    created_at: datetime = MADE

    @property
    def id(self) -> str:
        return an_id(f"{self.person} {self.role} {self.school} {self.started_on}")

    @property
    def address(self) -> str:
        return self.email or f"{self.person.lower()}@{self.school.lower()}.example"


@dataclass(frozen=True)
class World:
    """Training of a spell: provider (US), partner (`Partner`), contract_period (2025), started_on and finished_on (the spell's), and
    columns of training_periods; provider None: no partnership."""

    spells: tuple[Spell, ...] = (Spell(),)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    declared: tuple[dict[str, Any], ...] = ()
    mentorships: tuple[tuple[Spell, Spell, date, date | None], ...] = ()
    merges: tuple[tuple[str, str], ...] = ()
    partnerships: tuple[tuple[str, str, int, str], ...] = ()
    flags: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    ineligible: tuple[str, ...] = ()
    statements: tuple[dict[str, Any], ...] = ()
    versions: tuple[dict[str, Any], ...] = ()

    def holdings(self) -> Holdings:
        training, partnerships = [], {p: self._partnership(*p) for p in self.partnerships}
        choices: list[dict[str, Any]] = []
        for spell in self.spells:
            for number, own in enumerate(spell.training):
                provider, year = own.get("provider", US), own.get("contract_period", 2025)
                key = (provider, spell.school, year, own.get("partner", "Partner"))
                if provider is not None:
                    partnerships[key] = self._partnership(*key)
                training.append(
                    {
                        "training_period_id": training_id(spell, number), "school_period_id": spell.id,
                        "partnership_id": an_id(f"partnership {key}") if provider is not None else None,
                        "schedule_identifier": "ecf-standard-september", "started_on": spell.started_on,
                        "finished_on": spell.finished_on, "created_at": MADE,
                    } | {name: value for name, value in own.items() if name in RECORDS["training_periods"].columns}
                )  # fmt: skip
                chosen = own.get("interest", provider)
                if chosen is not None:
                    choices.append(
                        {"school_id": an_id(spell.school), "lead_provider_id": chosen, "contract_period": year}
                    )
        schools = (
            {spell.school for spell in self.spells} | {school for _, school, _, _ in self.partnerships} | {"Lonely"}
        )
        people = {spell.person for spell in self.spells} | set(self.people)
        mentorships = [
            {
                "ect_school_period_id": ect.id, "mentor_school_period_id": mentor.id, "started_on": start,
                "finished_on": end, "mentor_id": an_id(mentor.person), "email": mentor.address,
                "mentor_started_on": mentor.started_on,
            }
            for ect, mentor, start, end in self.mentorships
        ]  # fmt: skip
        years = sorted({key[2] for key in partnerships})
        return Holdings(
            lead_providers=pl.DataFrame({"lead_provider_id": [US, THEM]}),
            names=pl.DataFrame({"lead_provider_id": list(NAMES), "name": list(NAMES.values())}),
            contract_periods=contract_periods(),
            milestones=milestones(),
            delivery_partners=frame(
                "delivery_partners", [{"delivery_partner_id": an_id(p), "name": p} for p in ("Partner", "Other partner")]
            ),
            pairings=frame(
                "provider_delivery_partners",
                [
                    {"lead_provider_id": who, "delivery_partner_id": an_id("Partner"), "contract_period": year}
                    for who in (US, THEM) for year in years
                ],
            ),
            schools=frame(
                "schools",
                [
                    {
                        "school_id": an_id(s), "urn": str(100_000 + len(s) * 1000 + sum(map(ord, s)) % 1000), "name": s,
                        "eligible": s not in self.ineligible, "induction_tutor_name": f"Tutor of {s}",
                        "induction_tutor_email": f"tutor@{s.lower()}.example",
                    }
                    for s in sorted(schools)
                ],
            ),
            school_years=frame(
                "school_contract_periods",
                [
                    {"school_id": an_id(s), "contract_period": y, "induction_programme_choice": "provider_led"} | flags
                    for (s, y), flags in self.flags.items()
                ],
            ),
            partnerships=frame("partnerships", list(partnerships.values())),
            participants=frame("participants", [self._person(name) for name in sorted(people)]),
            merges=pl.DataFrame(
                [{"participant_id": an_id(p), "previous_participant_ids": old} for p, old in self.merges],
                schema={"participant_id": pl.String, "previous_participant_ids": pl.String}, orient="row",
            ),
            lost_merges=pl.DataFrame(schema={"from_participant_id": pl.String}),
            school_periods=frame("school_periods", [self._spell(each) for each in self.spells]),
            training_periods=frame("training_periods", training),
            interests=pl.DataFrame(
                choices, schema={"school_id": pl.String, "lead_provider_id": pl.String, "contract_period": pl.Int64}
            ),
            mentorships=frame(
                "mentorships", mentorships, mentor_id=pl.String, email=pl.String, mentor_started_on=pl.Date
            ),
            declarations=self._declarations(),
            statements=frame("statements", [{"fee_type": "output", **s} for s in self.statements],
                             lead_provider_id=pl.String, contract_period=pl.Int64),
            versions=pl.DataFrame(
                list(self.versions),
                schema={"statement_id": pl.String, "version": pl.Int64, "total": KINDS["money"].dtype}, orient="row",
            ),
        )  # fmt: skip

    @staticmethod
    def _partnership(provider: str, school: str, year: int, partner: str) -> dict[str, Any]:
        return {
            "partnership_id": an_id(f"partnership {(provider, school, year, partner)}"), "lead_provider_id": provider,
            "delivery_partner_id": an_id(partner), "school_id": an_id(school), "contract_period": year,
            "created_at": MADE, "updated_at": MADE,
        }  # fmt: skip

    def _person(self, name: str) -> dict[str, Any]:
        return {
            "participant_id": an_id(name), "trn": a_trn(name), "full_name": name,
            "ect_training_record_id": an_id(f"{name} ect"), "mentor_training_record_id": an_id(f"{name} mentor"),
            "created_at": MADE, "updated_at": MADE,
        } | self.people.get(name, {})  # fmt: skip

    @staticmethod
    def _spell(spell: Spell) -> dict[str, Any]:
        return {
            "school_period_id": spell.id, "participant_id": an_id(spell.person), "participant_type": spell.role,
            "school_id": an_id(spell.school), "started_on": spell.started_on, "finished_on": spell.finished_on,
            "email": spell.address,
            "working_pattern": spell.working_pattern, "created_at": spell.created_at,
        }  # fmt: skip

    def _declarations(self) -> pl.DataFrame:
        rows = [
            {
                "declaration_id": an_id(str(each)), "declaration_type": "started", "declaration_date": "2025-11-01T10:00:00Z",
                "delivery_partner_id": an_id("Partner"), "payment_status": "eligible", "clawback_status": "no_clawback",
                "pupil_premium_uplift": False, "sparsity_uplift": False, "created_at": "2025-11-02T10:00:00Z",
                "updated_at": "2025-11-02T10:00:00Z",
            } | {name: value for name, value in each.items() if name != "in"}
            | {"training_period_id": training_id(*each["in"])}
            for each in self.declared
        ]  # fmt: skip
        text = ("declaration_date", "created_at", "updated_at")
        return frame("declarations", rows, **dict.fromkeys(text, pl.String))

    def __or__(self, changes: dict[str, Any]) -> "World":
        return replace(self, **changes)


def training_id(spell: Spell, number: int = 0) -> str:
    return an_id(f"training {spell.id} {number}")


def extract(world: World, provider: str = US, today: date = TODAY) -> dict[str, list[dict[str, Any]]]:
    """File → rows as a lead provider would be sent them, ordered by name."""
    view = View(Nation(world.holdings(), today), provider)
    return {file.name: make(view, file).rows.to_dicts() for file in FILES}


def only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(rows) == 1, rows
    return rows[0]
