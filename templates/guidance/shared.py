"""What of the guidance is the same for every lead provider: pages of rules and kinds, the file specification, schemas, samples,
scripts. Making it runs the rules on every example."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files

from schemas.discrepancies import REASONS, Reason
from schemas.inbound.names import IGNORED_COLUMNS
from schemas.inbound.practised import FILE_EXAMPLE, RESET_NAME, STATEMENTS_EXAMPLE
from schemas.kinds import KINDS
from schemas.outbound.extracts import FILES as EXTRACT_FILES
from schemas.outbound.extracts import REMOVED
from schemas.outbound.forecast import FORECAST
from schemas.outbound.months import LEDGER, SUMMARY
from schemas.outbound.receipts import OUTCOMES, RESULT_COLUMNS
from schemas.outbound.statements import FILES as STATEMENT_FILES
from templates.guidance.kinds import kind_article, sample_file, wrong_file
from templates.guidance.machine import code_lists, machine_files
from templates.guidance.marking import Article, article
from templates.guidance.rules import rule_article, rules_with_pages, said_of
from templates.guidance.words import WORDS
from templates.rendering import INTERFACE_VERSION

SCRIPTS = ("exchange.py", "exchange.sh", "exchange.ps1", "apply_changes.py")
_FOLDERS = (
    ("to-dfe/", "You put files here. They leave when we take them; until then you may replace or delete them"),
    ("from-dfe/start-here.html", "The front page"),
    ("from-dfe/receipts/SUBMISSION_ID/", "What became of each file that you sent"),
    ("from-dfe/statements/CONTRACT_PERIOD/YYYY-MM/vNN-STATUS/", "A version of a statement"),
    ("from-dfe/statements/YYYY-MM/", "A month over all contract periods"),
    ("from-dfe/statements/ledger.csv", "Every declaration on the newest version of every statement"),
    ("from-dfe/extracts/full/", "DfE's records about your participants, partners and schools"),
    ("from-dfe/extracts/changes/STAMP/", "What changed in them"),
    ("from-dfe/forecast/", "What you could still declare"),
    ("from-dfe/guidance/", "This guidance"),
    ("from-dfe/index.csv", "Everything ever delivered here"),
)
# What stands for the names in the sentences of reasons: made up.
REASON_EXAMPLE = {
    "paid_on": "January 2026", "declaration_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "used": "£119.40",
    "due_partner_name": "First Partner", "expected_partner_name": "Second Partner", "due_words": "£119.40",
    "waits_for": "the school and the appropriate body to record the induction", "live_on": "February 2026",
    "live_month": "2026-02", "live_period": "2025", "taken_back_on": "March 2026", "line_words": "Line 12",
    "file_name": "declarations-november.csv", "rule_codes": "DECL-014", "submission_id": "20260110T093000Z-declarations-3f9a1c",
    "list_line": "7", "list_file": "expected-payments.csv", "list_codes": "EXPECT-002",
    "list_submission": "20260110T093100Z-expected-payments-0b77d2",
    "waiting_advice": "Ask the school to record the induction.", "merged_advice": "Check the id.",
    "deadline_words": "The next deadline is 31 January 2026.", "rejected_row_words": ".", "rejected_line_words": ".",
    "partner_words": "That is the delivery partner of the partnership under which the participant trained.",
}  # fmt: skip
# Reasons that share a title: what tells them apart.
_BESIDE = {
    "This statement claws back what": "on this statement",
    "The statement for {paid_on} paid it": "on another statement",
    "It is due on this statement. Line": "of your list",
    "It is on your list without": "no amount sent",
}


# Files whose names are not those of their shapes.
_NAMED = {"delivery-partner": "delivery-partners/SLUG.csv", "forecast": "YYYY-MM.csv"}
_YOUR_LISTS = (
    ("your-statements", "Your statements, with their days"),
    ("your-milestones", "Milestones of the schedules that your participants are on"),
    ("your-delivery-partners", "Your delivery partners, by contract period"),
)


@dataclass(frozen=True)
class Told:
    """Limits and times that an installation sets, for the file specification; and whether it is for practice."""

    mebibytes: int
    rows: int
    keep_changes_days: int
    idle_minutes: int
    waiting_files: int
    waiting_mebibytes: int
    unfinished: tuple[str, ...]
    is_practice: bool


def shared_articles(told: Told) -> list[Article]:
    """Every article that is the same for everybody."""
    rules = rules_with_pages()
    whys = {each.code: each.why for each in rules}
    with ThreadPoolExecutor(2) as both:  # each waits for Polars most of the time
        of_rules = list(both.map(lambda each: rule_article(each.code), rules))
    said = [(each, said_of(page)) for each, page in zip(rules, of_rules, strict=True)]
    groups = [(kind, [each for each in said if each[0].kind == kind]) for kind in ("", *KINDS)]
    return [
        article("spreadsheets", "spreadsheets.md"),
        article("practice", "practice.md", a_file=FILE_EXAMPLE, a_move=STATEMENTS_EXAMPLE, a_reset=RESET_NAME),
        article("differences", "differences.md", reasons=[_reason(each) for each in REASONS]),
        article("words", "words.md", words=WORDS.items()),
        *(kind_article(kind, whys) for kind in KINDS.values()),
        article("rules/index", "rules_index.md", groups=groups),
        *of_rules,
        *_building(told),
    ]


def _building(told: Told) -> list[Article]:
    """Those of the third reading."""
    sent = (
        ("a statement's version", STATEMENT_FILES),
        ("the statements", (SUMMARY, LEDGER)),
        ("an extract", (*EXTRACT_FILES, REMOVED)),
        ("the forecasts", (FORECAST,)),
    )
    return [
        article(
            "building/specification", "specification.md", interface=INTERFACE_VERSION, folders=_FOLDERS,
            ignored=IGNORED_COLUMNS, unfinished=told.unfinished, mebibytes=f"{told.mebibytes:,}", rows=f"{told.rows:,}",
            waiting_files=f"{told.waiting_files:,}", waiting_mebibytes=f"{told.waiting_mebibytes:,}",
            kinds=KINDS.values(), results=RESULT_COLUMNS, outcomes=OUTCOMES, sent=sent, names=_NAMED,
        ),
        article("building/codes", "codes.md", lists=[(name, what) for name, (what, _) in code_lists().items()] + list(_YOUR_LISTS)),
        article("building/scripts", "scripts.md"),
        article("building/check", "check.md"),
        article("building/change-sets", "change_sets.md", files=EXTRACT_FILES, kept_days=told.keep_changes_days),
        article("building/clients", "clients.md", idle_minutes=told.idle_minutes),
        article("building/promises", "promises.md", interface=INTERFACE_VERSION),
    ]  # fmt: skip


def shared_files() -> dict[str, bytes]:
    """Path in the guidance folder → content, of what is no article: schemas, lists, samples, scripts."""
    samples = {f"samples/{kind.name}.csv": sample_file(kind) for kind in KINDS.values()}
    samples |= {f"samples/{kind.name}-wrong.csv": wrong_file(kind) for kind in KINDS.values()}
    folder = files("templates") / "guidance" / "scripts"
    return machine_files() | samples | {f"scripts/{name}": (folder / name).read_bytes() for name in SCRIPTS}


def _reason(reason: Reason) -> dict[str, str]:
    beside = next((words for start, words in _BESIDE.items() if reason.reason.startswith(start)), "")
    return {
        "code": reason.code,
        "title": reason.title,
        "beside": beside,
        "reason": _shown(reason.reason),
        "what_to_do": _shown(reason.what_to_do),
    }


def _shown(template: str) -> str:
    """A reason's sentence with the example's words; what only some rows have is left out."""

    class Example(dict[str, str]):
        def __missing__(self, name: str) -> str:
            if not name.endswith(("_words", "guess")):
                raise KeyError(name)
            return ""

    return template.format_map(Example(REASON_EXAMPLE)).strip()
