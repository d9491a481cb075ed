"""DfE's records about what one file names, as frames. A handful of questions, whatever the file's size."""

import polars as pl

from data.casting import typed
from data.database import Reader
from data.records.merging import surviving_participants
from schemas.inbound.form import UUID_ANY_CASE
from schemas.snapshot import FRAMES, Snapshot

# What judging reads of each table, its rows chosen by ids lent to the database.
_PARTICIPANTS = "SELECT {columns} FROM named n CROSS JOIN participants t WHERE t.participant_id = n.id"
_SCHOOL_PERIODS = "SELECT {columns} FROM named n CROSS JOIN school_periods t WHERE t.participant_id = n.id"
_TRAINING_PERIODS = "SELECT {columns} FROM named n CROSS JOIN training_periods t WHERE t.school_period_id = n.id"
_OF_PARTNERSHIPS = "SELECT {columns} FROM named n CROSS JOIN training_periods t WHERE t.partnership_id = n.id"
_THEIR_SCHOOL_PERIODS = "SELECT {columns} FROM named n CROSS JOIN school_periods t WHERE t.school_period_id = n.id"
_PARTNERSHIPS = "SELECT {columns} FROM named n CROSS JOIN partnerships t WHERE t.partnership_id = n.id"
_MOVED = "SELECT {columns} FROM named n CROSS JOIN partnership_moves t WHERE t.from_partnership_id = n.id"
_AT_SCHOOLS = """
SELECT {columns} FROM named n CROSS JOIN partnerships t WHERE t.school_id = n.id AND t.lead_provider_id = ?
"""
_DECLARATIONS = "SELECT {columns} FROM named n CROSS JOIN declarations t WHERE t.training_period_id = n.id"
_WAITING = """
SELECT {columns} FROM named n CROSS JOIN school_periods s CROSS JOIN training_periods t
WHERE s.school_id = n.id AND t.school_period_id = s.school_period_id AND t.partnership_id IS NULL
  AND t.expression_of_interest_lead_provider_id = ?
"""
_MENTORSHIPS = """
SELECT m.ect_school_period_id, s.participant_id AS mentor_id, m.started_on, m.finished_on
FROM named n CROSS JOIN mentorships m CROSS JOIN school_periods s
WHERE m.ect_school_period_id = n.id AND s.school_period_id = m.mentor_school_period_id
"""
_STATEMENTS = """
SELECT s.statement_id, c.contract_period, s.year, s.month, s.fee_type, s.deadline_date, s.status
FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
WHERE c.lead_provider_id = ?
"""
# Which lists name which months; rows of some of them.
_STATED = """
SELECT m.submission_id, m.contract_period, m.statement_month, x.number
FROM stated_months m JOIN submissions x ON x.submission_id = m.submission_id
WHERE m.lead_provider_id = ?
"""
_STATED_ROWS = """
SELECT {columns} FROM named n CROSS JOIN expected_payments t WHERE t.submission_id = n.id AND t.lead_provider_id = ?
"""
_PAIRED = "SELECT {columns} FROM provider_delivery_partners t WHERE t.lead_provider_id = ?"
_DECLARED_BY = """
SELECT s.participant_id FROM named n CROSS JOIN declarations d CROSS JOIN training_periods t CROSS JOIN school_periods s
WHERE d.declaration_id = n.id AND t.training_period_id = d.training_period_id
  AND s.school_period_id = t.school_period_id
"""
_SCHOOLS = "SELECT {columns} FROM named n CROSS JOIN schools t WHERE t.urn = n.id"
_SCHOOL_YEARS = "SELECT {columns} FROM named n CROSS JOIN school_contract_periods t WHERE t.school_id = n.id"
# What accepted rows of this lead provider asked for before, of the kinds of event that a repeat is known by.
_ASKED = """
SELECT {columns} FROM named n CROSS JOIN events t
WHERE t.{link} = n.id AND t.lead_provider_id = ? AND t.submission_id IS NOT NULL AND t.type IN ({types})
"""
MEMORY = {
    "declarations": (
        "declaration_id", "teacher_declaration_created", "teacher_declaration_voided",
        "teacher_declaration_awaiting_clawback",
    ),
    "voids": (
        "declaration_id", "teacher_declaration_voided", "teacher_declaration_awaiting_clawback",
        "mentor_completion_status_change",
    ),
    "deferrals": ("participant_id", "teacher_defers_training_period"),
    "withdrawals": ("participant_id", "teacher_withdraws_training_period"),
    "resumptions": ("participant_id", "teacher_resumes_training_period"),
    "schedule-changes": ("participant_id", "teacher_changes_schedule_training_period"),
    "partnerships": ("partnership_id", "school_partnership_created"),
    "partnership-changes": ("partnership_id", "school_partnership_updated"),
}  # fmt: skip


class _Loader:
    """Frames of a snapshot as they are loaded; the others empty."""

    def __init__(self, reader: Reader, kind: str, lead_provider_id: str) -> None:
        self._reader, self._kind, self._owner = reader, kind, lead_provider_id
        self.frames: dict[str, pl.DataFrame] = {}

    def ask(self, name: str, sql: str, ids: pl.Series | None = None, *parameters: object) -> pl.DataFrame:
        """Load one frame. ids: lent as `named`."""
        if ids is not None:
            self._reader.lend("named", "id", ids.drop_nulls().unique().sort())
        columns = ", ".join(f"t.{column}" for column in FRAMES[name])
        self.frames[name] = typed(self._reader.frame(sql.format(columns=columns), *parameters))
        return self.frames[name]

    def whole(self, *names: str) -> None:
        for name in names:
            self.ask(name, f"SELECT {{columns}} FROM {name} t")

    def frame(self, sql: str, *parameters: object) -> pl.DataFrame:
        """A frame that is no part of the snapshot."""
        return self._reader.frame(sql, *parameters)

    def remember(self, ids: pl.Series) -> None:
        """What was asked for before about these records."""
        link, *types = MEMORY[self._kind]
        listed = ", ".join(f"'{each}'" for each in types)
        sql = _ASKED.replace("{link}", link).replace("{types}", listed)
        self.ask("events", sql, ids, self._owner)

    def snapshot(self) -> Snapshot:
        empty = {
            name: typed(pl.DataFrame(schema=dict.fromkeys(columns, pl.String))) for name, columns in FRAMES.items()
        }
        return Snapshot(**(empty | self.frames))

    def participants(self, ids: pl.Series) -> None:
        """Everything about these participants, whoever trains them."""
        ids = ids.unique()
        owner = self._owner
        self.ask("participants", _PARTICIPANTS, ids)
        merged = surviving_participants(self._reader, ids)
        self.frames["participant_id_changes"] = merged.rename(
            {"participant_id": "from_participant_id", "merged_into": "to_participant_id"}
        )
        ids = pl.concat([ids, merged["merged_into"]])
        spells = self.ask("school_periods", _SCHOOL_PERIODS, ids)
        periods = self.ask("training_periods", _TRAINING_PERIODS, spells["school_period_id"])
        partnerships = self.ask("partnerships", _PARTNERSHIPS, periods["partnership_id"])
        if self._kind == "schedule-changes":
            schools = self.ask("partnerships", _AT_SCHOOLS, spells["school_id"], owner)
            self.frames["partnerships"] = pl.concat([partnerships, schools]).unique("partnership_id")
        self.ask("declarations", _DECLARATIONS, periods["training_period_id"])
        self.whole("contract_periods", "milestones")
        self.ask("statements", _STATEMENTS, None, owner)

    def mentors_and_uplifts(self) -> None:
        """What only new declarations need."""
        own = self.frames["partnerships"].filter(pl.col("lead_provider_id") == self._owner)
        periods = self.frames["training_periods"].join(own, on="partnership_id", how="semi")
        spells = self.frames["school_periods"].join(periods, on="school_period_id", how="semi")
        ects = spells.filter(pl.col("participant_type") == "ect")
        self.ask("mentorships", _MENTORSHIPS, ects["school_period_id"])
        self.ask("school_contract_periods", _SCHOOL_YEARS, spells["school_id"])

    def own_terms(self) -> None:
        self.whole("contract_periods", "delivery_partners")
        self.ask("provider_delivery_partners", _PAIRED, None, self._owner)


def snapshot_for(reader: Reader, kind: str, values: pl.DataFrame, lead_provider_id: str) -> Snapshot:
    """What judging a file of this kind needs. values: its rows as read, any case, any rubbish."""
    load = _Loader(reader, kind, lead_provider_id)
    if kind == "expected-payments":
        load.ask("statements", _STATEMENTS, None, lead_provider_id)
        _stated_before(load, values["statement_month"], lead_provider_id)
        return load.snapshot()
    if kind == "partnerships":
        _of_schools(load, values["school_urn"], lead_provider_id)
    elif kind == "partnership-changes":
        _of_partnerships(load, ids_in(values["partnership_id"]), lead_provider_id)
    elif kind == "voids":
        named = ids_in(values["declaration_id"])
        reader.lend("named", "id", named)
        load.participants(reader.frame(_DECLARED_BY)["participant_id"])
        load.remember(named)
    else:
        people = ids_in(values["participant_id"])
        load.participants(people)
        if kind == "declarations":
            load.mentors_and_uplifts()
            load.whole("delivery_partners")
            load.remember(_worth_remembering(load.frames["declarations"]))
        else:
            load.remember(people)
    return load.snapshot()


def _stated_before(load: _Loader, months: pl.Series, lead_provider_id: str) -> None:
    """The rows of the lists that stand for these months."""
    stated = load.frame(_STATED, lead_provider_id).cast({"number": pl.Int64, "contract_period": pl.Int64})
    key = ["contract_period", "statement_month"]
    last = stated.sort("number").unique(key, keep="last", maintain_order=True)
    last = last.filter(pl.col("statement_month").is_in(months.unique().implode()))
    rows = load.ask("stated_before", _STATED_ROWS, last["submission_id"], lead_provider_id)
    load.frames["stated_before"] = rows.join(last.select("submission_id", *key), on=["submission_id", *key], how="semi")


def ids_in(column: pl.Series) -> pl.Series:
    """The ids among the cells of a column, in lower case."""
    cells = column.drop_nulls()
    return cells.filter(cells.str.contains(UUID_ANY_CASE)).str.to_lowercase().unique().sort()


def _worth_remembering(declarations: pl.DataFrame) -> pl.Series:
    """Only a live `started` can have been sent with evidence that was not kept (handbook: rules 4.2); and of what was
    voided or taken back a new declaration says so."""
    unkept = (pl.col("declaration_type") == "started") & pl.col("evidence_held").is_null()
    live = (pl.col("payment_status") != "voided") & (pl.col("clawback_status") == "no_clawback")
    return declarations.filter((unkept & live) | ~live)["declaration_id"]


def _of_schools(load: _Loader, urns: pl.Series, lead_provider_id: str) -> None:
    """What new partnerships with these schools need: their choices, this provider's partnerships, who waits there."""
    load.own_terms()
    schools = load.ask("schools", _SCHOOLS, urns)["school_id"]
    load.ask("school_contract_periods", _SCHOOL_YEARS, schools)
    partnerships = load.ask("partnerships", _AT_SCHOOLS, schools, lead_provider_id)
    periods = load.ask("training_periods", _WAITING, schools, lead_provider_id)
    load.ask("school_periods", _THEIR_SCHOOL_PERIODS, periods["school_period_id"])
    load.remember(partnerships["partnership_id"])


def _of_partnerships(load: _Loader, ids: pl.Series, lead_provider_id: str) -> None:
    """What corrections of these partnerships need: the provider's others at the school, who trains under them."""
    load.own_terms()
    moved = load.ask("partnership_moves", _MOVED, ids)
    named = load.ask("partnerships", _PARTNERSHIPS, pl.concat([ids, moved["to_partnership_id"]]))
    own = named.filter(pl.col("lead_provider_id") == lead_provider_id)
    beside = load.ask("partnerships", _AT_SCHOOLS, own["school_id"], lead_provider_id)
    load.frames["partnerships"] = pl.concat([named, beside]).unique("partnership_id")
    periods = load.ask("training_periods", _OF_PARTNERSHIPS, own["partnership_id"])
    load.ask("school_periods", _THEIR_SCHOOL_PERIODS, periods["school_period_id"])
    load.ask("declarations", _DECLARATIONS, periods["training_period_id"])
    load.remember(own["partnership_id"])
