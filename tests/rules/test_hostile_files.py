"""Whatever bytes come: a sheet or a FILE- rule, verdicts for every row, messages that are safe to show. Never anything else."""

import re
import resource
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.inbound.failure import FileFailure
from schemas.inbound.reading import Limits, Sheet, read_sheet
from schemas.kinds import KINDS
from tests.laws import tried
from transforms.changes import act_of_file
from transforms.examples.world import (
    NOW,
    US,
    World,
    a_row,
)
from transforms.judging import judge
from transforms.receipts import portions

LIMITS = Limits(size_bytes=1 << 20, rows=500)
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
FORMULA = re.compile(r"^\s*[=+\-@]")
HEADER = ",".join(a_row()).encode() + b"\n"
VALID = HEADER + ",".join(a_row().values()).encode() + b"\n"
# What breaks readers: separators, quotes, line ends, marks, other encodings, invisible and turning characters, formulas.
PIECES = [
    b",", b";", b"\t", b'"', b'""', b"'", b"\n", b"\r", b"\r\n", b"\0", b"\x1a", b"\x1b[31m", b"\x1c", b"\x1d", b"\x1e", b"\x1f",
    b"\x7f", b"\x81", b"\xa0", b"\xff", b"\xfe", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    "\u202e".encode(), "\u2066".encode(), "\u200b".encode(), "\u2028".encode(), "\x85".encode(), "\ufeff".encode(), "\u00ad".encode(),
    "е".encode(), "ⅰ".encode(), "𝟙".encode(), "é".encode(), "é".encode("cp1252"), "🙂".encode(), b"=cmd|'/c calc'!A0", b"+1", b"-1", b"@SUM(A1)",
    b"<script>alert(1)</script>", b"{{ 7*7 }}", b"{% for x in () %}", b"%s%n", b"../../etc/passwd", b"'; DROP TABLE declarations; --",
    b"NaN", b"inf", b"1e308", b"null", b"0x10", b"9" * 40, b"x" * 2000, HEADER, *(name.encode() for name in a_row()),
    *(value.encode() for value in a_row().values()),
]  # fmt: skip


def taken_safely(content: bytes, kind: str) -> None:
    """Read and judge a file as intake does, and look at everything that would be told of it."""
    try:
        sheet = read_sheet(content, KINDS[kind], LIMITS)
    except FileFailure as failure:
        assert failure.code in ("FILE-002", "FILE-004", "FILE-005", "FILE-006", "FILE-007")
        safe_to_show(failure.message + failure.advice)
        return
    assert isinstance(sheet, Sheet) and 0 < sheet.values.height <= LIMITS.rows
    for note in sheet.notes:
        safe_to_show(note)
    whose = act_of_file("20260101T000000Z-x-a", US, NOW)
    judgement = judge(sheet, KINDS[kind], World().snapshot(), whose)
    assert judgement.verdicts["row_number"].to_list() == sheet.values["row_number"].to_list()
    for message in judgement.findings["message"]:
        safe_to_show(message)
    for portion in portions(judgement):
        for frame in (portion.results, portion.rejected):
            for column in frame.select("your_reference" if "your_reference" in frame.columns else []):
                assert not any(FORMULA.match(cell) for cell in column.drop_nulls())


def safe_to_show(text: str) -> None:
    """Short, and without characters that hide or turn what is read."""
    assert len(text) < 2000
    assert not [c for c in text if unicodedata.category(c) in UNSEEN], ascii(text)


@tried(300)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join), st.sampled_from(sorted(KINDS)), st.booleans())
def test_any_mixture_of_pieces_is_taken_safely(content, kind, with_header):
    head = ",".join(KINDS[kind].columns).encode() + b"\n" if with_header else b""
    taken_safely(head + content, kind)


@tried(200)
@given(st.binary(max_size=300), st.booleans())
@example(b"\x1e\x1f", True)
def test_any_bytes_are_taken_safely(content, with_header):
    taken_safely((HEADER if with_header else b"") + content, "declarations")


@tried(300)
@given(st.data())
def test_a_good_file_damaged_anywhere_is_taken_safely(data):
    content = VALID
    for _ in range(data.draw(st.integers(1, 4))):
        at, gone = data.draw(st.integers(0, len(content))), data.draw(st.integers(0, 5))
        content = content[:at] + data.draw(st.sampled_from(PIECES)) + content[at + gone :]
    taken_safely(content, "declarations")


LOOKALIKES = [
    "declaration_typ\u0435", "declaration\u200b_type", "declaration_type\u202e", "\ufeffdeclaration_type", "declaration\uff3ftype",
]  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_column_that_only_looks_like_ours_is_not_ours(name):
    header = HEADER.decode().replace("declaration_type", name)
    with pytest.raises(FileFailure) as refusal:
        read_sheet(header.encode() + b"a,b,c,d\n", KINDS["declarations"], LIMITS)
    assert refusal.value.code == "FILE-007" and "the column declaration_type is missing" in refusal.value.message
    safe_to_show(refusal.value.message)


# Each makes a few ten million bytes; what reads them has a thousand mebibytes in all.
MEBIBYTES = 1024
SIZES = {
    "a million columns": "HEADER[:-1] + b',x' * 1_000_000 + b'\\n' + b'1,' * 1_000_000 + b'\\n'",
    "a million columns and no header": "b'x,' * 1_000_000 + b'\\n'",
    "a line without end": "HEADER + b'x' * 30_000_000",
    "a quote without end": "HEADER + b'\"' + b'x\\n' * 10_000_000",
    "quotes in quotes": "HEADER + b'\"' + b'\"\"' * 10_000_000 + b'\",b,c,d\\n'",
    "quotes alone": "HEADER + b'\"' * 20_000_001",
    "line ends alone": "HEADER + b'\\n' * 20_000_000",
    "carriage returns alone": "HEADER + b'\\r' * 20_000_000",
    "commas alone": "HEADER + b',' * 20_000_000",
    "rows beyond the limit": "HEADER + b'a,b,c,d\\n' * 3_000_000",
    "a compressed archive": "__import__('gzip').compress(bytes(50_000_000))",
    "NUL bytes": "HEADER + bytes(30_000_000)",
    "Windows-1252": "HEADER + b'\\xe9' * 10_000_000 + b',b,c,d\\n'",
    "one row of ragged cells": "HEADER + b'a,b,c,d\\n' + b'\"a\",' * 3_000_000 + b'\\n'",
}
READS = """
import sys
from schemas.kinds import KINDS
from schemas.inbound.reading import FileFailure, Limits, read_sheet
HEADER = {header!r}
try:
    sheet = read_sheet({content}, KINDS["declarations"], Limits())
    print("read", sheet.values.height, max(map(len, sheet.notes), default=0))
except FileFailure as failure:
    print("refused", failure.code, len(failure.message))
"""


@pytest.mark.parametrize("what", list(SIZES))
@pytest.mark.slow
def test_what_is_meant_to_fill_the_memory_does_not(what):
    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (MEBIBYTES << 20, MEBIBYTES << 20))

    script = READS.format(header=HEADER, content=SIZES[what])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, preexec_fn=bounded, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    told = done.stdout.split()
    assert told[0] in ("read", "refused") and int(told[2]) < 2000
