"""Naughty input through the whole of intake: every file gets its receipt, safe to open, and tells nothing of others."""

import csv
import html
import json
import os
import re

import polars as pl
import pytest
from jinja2 import UndefinedError
from jinja2.sandbox import SecurityError

from flows.clock import instant
from flows.rounds.intake import intake_round
from schemas.kinds import KINDS
from templates.rendering import templates
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts

AT = instant(NOW)
HEADER = "participant_id,course_identifier,declaration_type,declaration_date,evidence_held,your_reference\n"
FORMULAS = ["=cmd|'/c calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", " =1+1", '=HYPERLINK("https://x.example","y")']
MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "{% import os %}",
    "&lt;b&gt;",
    "</td></tr>",
]


def _rows(cells: list[str]) -> str:
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    return HEADER + "".join(f"{cell},{cell},{cell},{cell},{cell},{cell}\n" for cell in quoted)


NAUGHTY: dict[str, bytes] = {
    "declarations-formulas.csv": _rows(FORMULAS).encode(),
    "declarations-markup.csv": _rows(MARKUP).encode(),
    "declarations-<b>.csv": _rows(["x"]).encode(),
    "declarations-=1.csv": _rows(["x"]).encode(),
    "declarations-\u202evsc.csv": _rows(["x"]).encode(),
    "declarations-a\nb.csv": _rows(["x"]).encode(),
    "declarations-\x1b[31m.csv": _rows(["x"]).encode(),
    "=cmd().csv": _rows(["x"]).encode(),
    "declarations-nul.csv": _rows(["x"]).encode() + b"\0",
    "declarations-utf16.csv": _rows(["x"]).encode("utf-16"),
    "declarations-cp1252.csv": _rows(["é"]).encode("cp1252"),
    "declarations-bom.csv": b"\xef\xbb\xbf" + _rows(["x"]).encode(),
    "declarations-zip.csv": b"PK\x03\x04" + bytes(1000),
    "declarations-invisible.csv": _rows(["\u202eevil", "a\u200bb", "\u2066x\u2069", "\ufeffx", "a\x85b", "a\u2028b"]).encode(),
    "declarations-separators.csv": _rows(["a\x1eb", "a\x1fb", "a\x1cb"]).encode(),
    "declarations-numbers.csv": _rows(["1e308", "NaN", "inf", "-0", "9" * 400, "１２３"]).encode(),
    "declarations-percent.csv": _rows(["%s%n%d", "{participant_id}", "{0.__class__}", "$1", "\\1"]).encode(),
    "declarations-quotes.csv": (HEADER + '"' * 4001 + "\n").encode(),
    "declarations-wide.csv": (HEADER[:-1] + ",x" * 2000 + "\n").encode(),
    "declarations-sql.csv": _rows(["'; DROP TABLE declarations; --", "?", ":x", "a' OR '1'='1"]).encode(),
    **{f"{kind}-naughty.csv": (",".join(each.columns) + "\n" + ",".join([FORMULAS[0]] * len(each.columns)) + "\n").encode()
       for kind, each in KINDS.items()},
}  # fmt: skip


@pytest.mark.slow
def test_every_naughty_file_gets_a_receipt_that_is_safe_to_open(installation, provider, caplog):
    for name, content in NAUGHTY.items():
        put(installation, provider, name, content)
    done = intake_round(installation, AT)
    assert done.troubles == []
    folders = list((box(installation, provider) / "from-dfe" / "receipts").iterdir())
    told = {json.loads((folder / "receipt.json").read_text())["file_name"]: folder for folder in folders}
    assert set(told) == set(NAUGHTY)
    assert list((box(installation, provider) / "to-dfe").iterdir()) == []
    for folder in folders:
        receipt = json.loads((folder / "receipt.json").read_text())
        assert receipt["status"] == "rejected" and receipt["rows"]["accepted"] == 0
        page = (folder / "receipt.html").read_text()
        assert not re.search(r"<(script|img|b)\b", page)
        if (folder / "results.csv").exists():
            _no_formulas(folder / "results.csv", ["message", "your_reference", "participant_id"])
    assert "Traceback" not in caplog.text
    assert "{{ 7*7 }}" in html.unescape((told["declarations-markup.csv"] / "receipt.html").read_text())


def test_templates_are_sandboxed():
    for hostile in ("{{ ''.__class__.__mro__ }}", "{{ items.append(1) }}", "{{ act.__globals__ }}", "{{ missing }}"):
        with pytest.raises((SecurityError, UndefinedError)):
            templates().from_string(hostile).render(items=[], act=templates)


def _no_formulas(path, columns):
    with path.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            assert not [row[c] for c in columns if re.match(r"\s*[=+\-@]", row.get(c) or "")]


def test_a_name_that_would_be_misread_is_refused_in_words(installation, provider):
    put(
        installation,
        provider,
        "declarations-\u202evsc.csv",
        acceptable_rows(installation, provider).head(1).write_csv(),
    )
    [outcome] = intake_round(installation, AT).outcomes
    assert (outcome.failure.code, outcome.rows["accepted"]) == ("FILE-001", 0)
    assert "visible characters" in outcome.failure.message


_OTHERS = """
SELECT DISTINCT pa.participant_id, pa.full_name, pa.trn, d.declaration_id, p.partnership_id, p.lead_provider_id,
  l.name AS lead_provider, dp.name AS delivery_partner, p.delivery_partner_id, t.training_period_id
FROM training_periods t
JOIN partnerships p ON p.partnership_id = t.partnership_id
JOIN lead_providers l ON l.lead_provider_id = p.lead_provider_id
JOIN delivery_partners dp ON dp.delivery_partner_id = p.delivery_partner_id
JOIN school_periods s ON s.school_period_id = t.school_period_id
JOIN participants pa ON pa.participant_id = s.participant_id
JOIN declarations d ON d.training_period_id = t.training_period_id
WHERE p.lead_provider_id <> ? AND pa.participant_id NOT IN (
  SELECT s2.participant_id FROM training_periods t2
  JOIN partnerships p2 ON p2.partnership_id = t2.partnership_id
  JOIN school_periods s2 ON s2.school_period_id = t2.school_period_id WHERE p2.lead_provider_id = ?)
ORDER BY pa.participant_id
"""


def test_a_receipt_tells_nothing_of_another_providers_records(installation, provider):
    """Every kind of file, about people, declarations and partnerships that are somebody else's."""
    with installation.database.read() as reader:
        others = reader.frame(_OTHERS, provider.lead_provider_id, provider.lead_provider_id).head(40)
    assert others.height == 40
    for name, kind in KINDS.items():
        ids = {
            "participant_id": "participant_id", "declaration_id": "declaration_id", "partnership_id": "partnership_id",
            "delivery_partner_id": "delivery_partner_id",
        }  # fmt: skip
        values = {
            "course_identifier": "ecf-induction",
            "declaration_type": "started",
            "declaration_date": "2026-12-01T10:00:00Z",
        }
        cells = [pl.col(ids[c]).alias(c) if c in ids else pl.lit(values.get(c, "2026")).alias(c) for c in kind.columns]
        put(installation, provider, f"{name}.csv", others.select(cells).write_csv())
    done = intake_round(installation, AT)
    assert done.troubles == [] and len(done.outcomes) == len(KINDS)
    told = "".join(
        p.read_text()
        for p in (box(installation, provider) / "from-dfe").rglob("*")
        if p.is_file() and p.suffix != ".xlsx"
    )
    secret = {
        v for c in ("full_name", "trn", "lead_provider", "training_period_id", "lead_provider_id") for v in others[c]
    }
    assert [value for value in secret if value and value in told] == []


@pytest.mark.parametrize("name", [b"declarations-f\xfcr.csv", b"declarations-\xff\xfe.csv", b"\xe9.csv"])
def test_a_name_that_is_not_utf_8_is_refused_and_hurts_nobody(installation, name):
    """As other servers than ours may let it through."""
    first, second = installation.lead_providers()[:2]
    put(installation, second, "declarations.csv", "x\n")
    folder = os.fsencode(box(installation, first) / "to-dfe")
    with open(os.path.join(folder, name), "wb") as handle:
        handle.write(b"x\n")
    done = intake_round(installation, instant(NOW))
    assert done.troubles == [] and len(done.outcomes) == 2
    [receipt] = receipts(installation, first).values()
    assert receipt["file_errors"][0]["code"] == "FILE-001"
    assert os.listdir(folder) == []
