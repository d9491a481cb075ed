"""What people, browsers and spreadsheets make of a file: taken with a note where it is plain, else named. The
kinds of damage are those that others have reported."""

import hashlib
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.inbound.failure import FileFailure
from schemas.inbound.reading import Limits, read_sheet
from schemas.inbound.unread import NO_CHECKSUM, refused_unread
from schemas.kinds import KINDS
from tests.builders import DECLARATIONS, codes, judged, outcomes, sheet_of
from tests.laws import tried
from transforms.changes import act_of_file
from transforms.examples.world import (
    TRN,
    US,
    World,
    a_row,
    a_training_row,
)
from transforms.receipts import portions

ROW = a_row(your_reference="")
HEADER = ",".join(ROW)
LINE = ",".join(ROW.values())
FILE = f"{HEADER}\r\n{LINE}\r\n".encode()

REFUSED = {
    "semicolons, quoted": (
        f"{HEADER}\n{LINE}\n".replace(",", '";"').replace("\n", '"\n"')[:-1].encode().join([b'"', b""]),
        "FILE-007", ["Semicolons separate", "CSV UTF-8", "list separator"],
    ),
    "semicolons": (FILE.replace(b",", b";"), "FILE-007", ["Semicolons separate"]),
    "tabs": (FILE.replace(b",", b"\t"), "FILE-007", ["Tabs separate", "CSV UTF-8"]),
    "bars": (FILE.replace(b",", b"|"), "FILE-007", ["Vertical bars separate"]),
    "a spreadsheet's own first line": (b"sep=,\r\n" + FILE, "FILE-007", ["spreadsheet's own note", "line 2", "delete line 1"]),
    "sep and semicolons": (b"sep=;\r\n" + FILE.replace(b",", b";"), "FILE-007", ["Semicolons separate"]),
    "a title above": (b"Beacon November,,,,\r\n\r\n" + FILE, "FILE-007", ["line 3", "Beacon November", "delete lines 1 and 2"]),
    "no header": (LINE.encode() + b"\n", "FILE-007", ["looks like data", "participant_id, course_identifier"]),
    "a web page": (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "FILE-007", ["web page", "<!DOCTYPE html>"]),
    "a web page in capitals": (b"\r\n  <HTML><HEAD>", "FILE-007", ["web page"]),
    "JSON": (b'[{"participant_id": "x"}]\n', "FILE-007", ["JSON"]),
    "marked twice": (b"\xef\xbb\xbf\xef\xbb\xbf" + FILE, "FILE-007", ["invisible mark", "▯participant_id"]),
    "a zero-width space in front": ("\u200b".encode() + FILE, "FILE-007", ["invisible mark"]),
    "an encrypted file": (b"\x84\x01\x0c\x03\xcd\xd4\x00\x01" + bytes(range(256)), "FILE-002", ["encrypted", "before it was encrypted"]),
    "an encrypted text": (b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n", "FILE-007", ["encrypted"]),
    "a workbook": (b"PK\x03\x04rest", "FILE-002", ["workbook", "File > Save As > CSV UTF-8"]),
    "gzip": (b"\x1f\x8b\x08rest", "FILE-002", ["compressed", "Unpack it"]),
    "UTF-16": (FILE.decode().encode("utf-16"), "FILE-002", ["UTF-16", "CSV UTF-8"]),
}  # fmt: skip


@pytest.mark.parametrize(("content", "code", "words"), REFUSED.values(), ids=list(REFUSED))
def test_a_file_that_is_something_else_is_told_what_it_looks_like(content, code, words):
    with pytest.raises(FileFailure) as refusal:
        read_sheet(content, DECLARATIONS, Limits())
    assert refusal.value.code == code
    for each in words:
        assert each in str(refusal.value), str(refusal.value)
    assert str(refusal.value).isprintable() or "\n" not in str(refusal.value)


def test_quotes_in_the_body_are_no_matter_of_the_header():
    with pytest.raises(FileFailure) as refusal:
        read_sheet(FILE + b'a,"b,c\n' * 3, DECLARATIONS, Limits())
    assert (refusal.value.code, refusal.value.line) == ("FILE-006", 3)


NAMES = {
    "declarations.xlsx": "workbook",
    "declarations.XLS": "workbook",
    "declarations.csv.gz": "Unpack",
    "declarations.zip": "Unpack",
    "declarations.csv.pgp": "encrypted",
    "declarations.pdf": "not a CSV file",
    "declarations@2026-03-31T23-30-00Z.csv": "not a practice service: nothing was done. To mean it here, name it declarations.csv.",
    "statements@2026-04-01.csv": "not a practice service: nothing was done. DfE tells you where practice is.",
    "Reset.csv": "not a practice service",
    "november.csv": "one of declarations, voids",
    "declaration.csv": "nearest kind is declarations",
    "expected payments.csv": "nearest kind is expected-payments",
    "declarations voids.csv": "names no other",
    "declarations": "does not end in .csv",
    "declarations.csv.txt": "does not end in .csv",
}


@pytest.mark.parametrize(("name", "words"), NAMES.items())
def test_a_name_that_we_do_not_read_says_what_it_is(name, words):
    failure = refused_unread(name, None, 10, "x", None, Limits())
    assert failure.code == "FILE-001" and words in str(failure)
    assert ".xlsx" not in failure.advice and "guidance" not in str(failure)


def test_a_checksum_that_is_none_is_told_what_one_looks_like():
    failure = refused_unread("declarations.csv", None, 10, "x", NO_CHECKSUM, Limits())
    assert failure.code == "FILE-015" and hashlib.sha256(b"test").hexdigest()[:8] in str(failure)
    assert "cut short" not in str(failure)
    assert "cut short" in str(refused_unread("declarations.csv", None, 10, "x", "y", Limits()))


TAKEN = {
    "an apostrophe before an id": {"participant_id": "'" + ROW["participant_id"]},
    "a curly one": {"declaration_type": "’started"},
    "before a date": {"declaration_date": "'" + ROW["declaration_date"]},
    "before a TRN": {"trn": "'" + TRN},
    "en dashes": {"evidence_held": "training–event–attended"},
    "a minus sign, a figure dash, a full-width one": {"evidence_held": "training−event‒attended"},
    "a dash in the course": {"course_identifier": "ecf—induction"},
    "a blank in a TRN": {"trn": TRN[:3] + " " + TRN[3:]},
    "a TRN made a decimal number": {"trn": TRN + ".0"},
    "a TRN that lost its zero": {"trn": TRN.lstrip("0")},
    "a blank before quotes": {"declaration_type": ' "started"'},
    "quotes that spreadsheets keep text by": {"trn": f'="{TRN}"'},
    "curly quotes": {"declaration_type": "“started”", "participant_id": f"“{ROW['participant_id']}”"},
    "signs that cannot be seen": {"declaration_type": "star\u200bted", "trn": TRN + "\u200b"},
    "capitals": {"declaration_type": "STARTED", "participant_id": ROW["participant_id"].upper()},
    "blanks around": {"declaration_type": " started\u00a0", "declaration_date": f" {ROW['declaration_date']} "},
}


@pytest.mark.parametrize("change", TAKEN.values(), ids=list(TAKEN))
def test_what_is_plainly_meant_is_taken_as_the_plain_file_is(change):
    row = ROW | {"evidence_held": "training-event-attended", "trn": TRN}
    plain, messy = judged(World(), row), judged(World(), row | change)
    assert outcomes(plain) == outcomes(messy) == ["accepted"], messy.findings["message"].to_list()
    ids = ("declaration_id", "created_at", "updated_at")
    assert messy.changes.inserts["declarations"].drop(ids).equals(plain.changes.inserts["declarations"].drop(ids))


@pytest.mark.parametrize("change", [{"evidence_held": "training–event–attended"}, {"trn": "'" + TRN}])
def test_a_note_says_what_was_taken_for_what(change):
    rows = [ROW | {"evidence_held": "training-event-attended", "trn": TRN} | change]
    sheet = sheet_of("declarations", *rows)
    ((column, sent),) = change.items()
    note = next(portions(judged(World(), *rows))).results["notes"][0]
    assert f"{column}: “{sent}” was taken as" in note
    assert f"{column}, line 2: “{sent}” was taken as" in sheet.notes[0]


def test_a_lost_zero_is_told_and_other_digits_are_not_guessed():
    judgement = judged(World(), a_row(trn=TRN.lstrip("0")))
    assert f"was taken as {TRN}" in judgement.verdicts["notes"][0]
    assert codes(judged(World(), a_row(trn="654321"))) == ["FILE-012"]
    assert codes(judged(World(trn="1234567"), a_row(trn="123456"))) == ["FILE-012"]


DATES = {
    "46329.39583": "3 November 2026 at 09:30",
    "46329": "3 November 2026.",
    "4.6329E+04": "3 November 2026.",
    "2026-03-29T01:30:00": "clocks went forward",
    "2026-03-29t01:00:00.5": "clocks went forward",
    "03/11/2025 09:30": "turned the date round",
    "2025-11-03": "Add the time",
    "2025-11-03 09:30:00": "Put a T",
    "2025-11-03T09:30": "Add the seconds",
    "2025-11-03T09:30Z": "Add the seconds",
    "2025–11–03T09:30:00Z": "real date and time",
    "yesterday": "real date and time",
}


@pytest.mark.parametrize(("date", "words"), DATES.items())
def test_dates_are_named_and_never_guessed(date, words):
    judgement = judged(World(), a_row(declaration_date=date))
    assert codes(judgement) == ["DECL-015"]
    assert words in judgement.findings["message"][0]


def test_an_hour_that_did_not_exist_is_given_by_its_zone():
    assert "DECL-015" not in codes(judged(World(), a_row(declaration_date="2025-03-30T01:30:00Z")))
    assert "DECL-015" in codes(judged(World(), a_row(declaration_date="2025-03-30T01:30:00")))
    assert "DECL-015" not in codes(judged(World(), a_row(declaration_date="2025-03-30T02:00:00")))


EXPECTED = {
    "statement_month": "2027-01", "contract_period": "2025", "participant_id": ROW["participant_id"],
    "course_identifier": "ecf-induction", "declaration_type": "started", "expected_amount": "119.40",
}  # fmt: skip
MONTHS = [
    "Jan-27", "Jan-2027", "jan 27", "January 2027", "JANUARY-27", "Jan, 2027", "01/2027", "1/2027", "1-2027", "01.2027", "2027.01",
    "2027/01", "2027-1", "2027 01", "202701", "2027-01-01", "2027/1/1", "2027-01-01T00:00:00", "01/01/2027", "1/1/2027",
    "'2027-01", "2027–01",
]  # fmt: skip
NO_MONTHS = {
    "01/02/2027": "may be a day", "46388": "1 January 2027", "27-Jan": "may be a day", "Jan-7": "may be a day",
    "012027": "Text", "2027-13": "YYYY-MM", "2027": "YYYY-MM", "13/2027": "YYYY-MM", "2027-01-15": "YYYY-MM", "Januar 2027": "YYYY-MM",
    "1.2E+05": "digits are lost", "02/2027/1": "YYYY-MM", "Q1 2027": "YYYY-MM", "2027.1": "YYYY-MM", "20２7-01": "YYYY-MM", "Jan-２７": "YYYY-MM",
}  # fmt: skip


@pytest.mark.parametrize("month", MONTHS)
def test_months_as_spreadsheets_show_them(month):
    kept = judged(World(), EXPECTED | {"statement_month": month}, kind="expected-payments").changes.inserts[
        "expected_payments"
    ]
    assert kept["statement_month"].to_list() == ["2027-01"]


@pytest.mark.parametrize(("month", "words"), NO_MONTHS.items())
def test_months_in_doubt_are_refused(month, words):
    judgement = judged(World(), EXPECTED | {"statement_month": month}, kind="expected-payments")
    assert codes(judgement) == ["FILE-012"] and words in judgement.findings["message"][0]
    assert "Type " not in judgement.findings["message"][0]


AMOUNTS = {
    "119.4": "119.40", "119": "119.00", "£1,190.00": "1190.00", "1,194.00": "1194.00", "£119.40": "119.40", 
    "(119.40)": "-119.40", "-£119.40": "-119.40", "£-119.40": "-119.40", "−119.40": "-119.40", "0": "0.00", " 119.40\u00a0": "119.40",
    "'119.40": "119.40", "1,234,567.8": "1234567.80", "00119.40": "119.40", "119.": "119.00",
}  # fmt: skip
NO_AMOUNTS = {
    "1.19E+02": "digits are lost", "119,40": "behind a point", "1.194,00": "behind a point", "119.405": "two decimals", "119.400": "two decimals", "1.190": "two decimals", "0,190": "two decimals", "000,500": "two decimals", "１１９.40": "two decimals", "12,34.00": "two decimals",
    "--1": "two decimals", "(-1.00)": "two decimals", "(1.00": "two decimals", "about 5": "two decimals", "1234567890.00": "two decimals",
    "€5": "two decimals", "£": "two decimals",
}  # fmt: skip


@pytest.mark.parametrize(("amount", "meant"), AMOUNTS.items())
def test_amounts_as_people_and_spreadsheets_write_them(amount, meant):
    judgement = judged(World(), EXPECTED | {"expected_amount": amount}, kind="expected-payments")
    assert judgement.changes.inserts["expected_payments"]["expected_amount"].to_list() == [Decimal(meant)]


@pytest.mark.parametrize(("amount", "words"), NO_AMOUNTS.items())
def test_amounts_in_doubt_are_refused(amount, words):
    judgement = judged(World(), EXPECTED | {"expected_amount": amount}, kind="expected-payments")
    assert codes(judgement) == ["FILE-012"] and words in judgement.findings["message"][0]


@pytest.mark.parametrize(
    ("period", "expected"), [("2025/26", []), ("2025-2026", []), ("2025/27", ["FILE-012"]), ("2025.0", ["FILE-012"])]
)
def test_a_school_year_is_its_contract_period(period, expected):
    assert codes(judged(World(), EXPECTED | {"contract_period": period}, kind="expected-payments")) == expected


@given(st.decimals(min_value=-99_999_999, max_value=99_999_999, places=2, allow_nan=False))
@tried(150)
def test_an_amount_taken_is_the_amount_meant(amount):
    """However it is written: never another penny."""
    forms = [f"{amount:f}", f"£{amount:,}" if amount >= 0 else f"-£{-amount:,}", f"{amount:,}", f"'{amount:f}"]
    if amount < 0:
        forms.append(f"({-amount:,})")
    rows = [
        EXPECTED | {"expected_amount": form, "declaration_type": kind}
        for form, kind in zip(forms, KINDS_OF_TYPES, strict=False)
    ]
    kept = (
        judged(World(), *rows, kind="expected-payments")
        .changes.inserts["expected_payments"]["expected_amount"]
        .to_list()
    )
    assert kept == [amount] * len(rows)


KINDS_OF_TYPES = ("started", "retained-1", "retained-2", "retained-3", "retained-4", "completed")


@given(
    st.lists(st.sampled_from(["plain", "apostrophe", "dash", "blanks", "decimal", "capitals"]), min_size=1, max_size=6),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]), st.sampled_from(["\n", "\r\n"]), st.booleans(),
)  # fmt: skip
@tried(60)
def test_whatever_is_taken_with_a_note_means_the_same_as_the_plain_file(ways, encoding, end, quoted):
    people = [f"{n}0000000-0000-4000-8000-000000000000" for n in range(6)]
    plain_rows, messy_rows = [], []
    for person, way in zip(people, ways, strict=False):
        row = {"participant_id": person, "course_identifier": "ecf-induction", "declaration_type": "retained-1",
               "declaration_date": "2025-11-03T09:30:00Z", "trn": "0123456", "your_reference": "Zoë – 1"}  # fmt: skip
        plain_rows.append(row)
        messy_rows.append(row | {
            "plain": {}, "apostrophe": {"trn": "'0123456", "participant_id": f"'{person}"}, "dash": {"declaration_type": "retained–1"},
            "blanks": {"trn": " 012 3456 "}, "decimal": {"trn": "0123456.0"}, "capitals": {"participant_id": person},
        }[way])  # fmt: skip

    def written(rows):
        mark = '"' if quoted else ""
        lines = [
            ",".join(f"{mark}{cell}{mark}" for cell in cells) for cells in (rows[0], *(row.values() for row in rows))
        ]
        return (end.join(lines) + end).encode(encoding)

    if any("\u2011" in "".join(row.values()) for row in messy_rows):
        return
    plain = read_sheet(written(plain_rows), DECLARATIONS, Limits())
    messy = read_sheet(written(messy_rows), DECLARATIONS, Limits())
    assert messy.values.equals(plain.values)
    assert messy.cells.equals(
        pl.DataFrame([list(row.values()) for row in messy_rows], schema=messy.cells.schema, orient="row")
    )
    noted = {way for way in ways if way not in ("plain", "capitals")}
    assert bool(messy.meant.height) == bool(noted)


MIXED = HEADER.encode() + b"\n" + LINE.encode()[:-1] + b",Zo\xc3\xab\n" + LINE.encode()[:-1] + b",Caf\xe9\n"


def test_bytes_of_two_encodings_are_each_read_as_what_they_are():
    sheet = read_sheet(MIXED, DECLARATIONS, Limits())
    assert sheet.values["your_reference"].to_list() == ["Zoë", "Café"]
    assert "line 3, column your_reference: E9 in “Café”" in sheet.notes[0]
    assert not any("Windows-1252, not UTF-8" in note for note in sheet.notes)


def test_a_byte_that_is_nothing_spoils_its_own_row_alone():
    content = MIXED.replace(b"\xe9", b"\x81")
    sheet = read_sheet(content, DECLARATIONS, Limits())
    assert sheet.values["your_reference"].to_list() == ["Zoë", "Caf\ufffd"]


@pytest.mark.parametrize("size", [1, 3, 7, 64])
def test_where_a_piece_begins_changes_nothing_of_two_encodings(size, monkeypatch):
    whole = read_sheet(MIXED, DECLARATIONS, Limits())
    monkeypatch.setattr("schemas.inbound.pieces.PIECE_BYTES", size)
    pieces = read_sheet(MIXED, DECLARATIONS, Limits())
    assert pieces.cells.equals(whole.cells) and pieces.notes == whole.notes


QUOTES = {
    "a comma lost beside it": ('id,x"c, d",e', "x"),
    "a comma in quotes after a blank": ('id, "x, y",e', "x"),
    "a word in quotes": ('id,say "yes" now,e', "x"),
    "two cells with one each": ('id,12" board,3" pen', "x"),
}


def _with_references(line):
    header = "declaration_id,x,your_reference"
    return read_sheet(f"{header}\n{line}\n".encode(), KINDS["voids"], Limits())


@pytest.mark.parametrize(("line", "column"), QUOTES.values(), ids=list(QUOTES))
def test_a_quote_where_none_can_be_meant_refuses_its_row(line, column):
    sheet = _with_references(line)
    assert sheet.values["odd_quote"].to_list() == [column]


@pytest.mark.parametrize(
    "line",
    [
        'id,12" board,e',
        'id,x,a 12" board',
        'id,"x ""y""","a, ""b"", c"',
        'id,x,"12"""',
        'id, "x",e',
        'id,="x",e',
        "id,x,e,",
        "id,x,e,,,",
    ],
)
def test_a_lone_quote_in_free_text_and_quotes_well_written_are_taken(line):
    assert _with_references(line).values["odd_quote"].to_list() == [None]


def test_a_row_with_a_quote_in_its_middle_is_named_by_line_and_column():
    row = ROW | {"your_reference": ""}
    cells = list(row.values())
    content = f"{HEADER}\n{LINE}\n" + ",".join([*cells[:2], 'star"ted', *cells[3:]]) + "\n"
    from tests.builders import NOW
    from transforms.judging import judge

    sheet = read_sheet(content.encode(), DECLARATIONS, Limits())
    judgement = judge(sheet, DECLARATIONS, World().snapshot(), act_of_file("s", US, NOW))
    assert outcomes(judgement) == ["accepted", "rejected"] and codes(judgement, 2) == ["FILE-008"]
    message = judgement.findings["message"][0]
    assert "On line 3" in message and "declaration_type" in message


def test_what_a_spreadsheet_adds_around_the_table_is_nothing():
    content = FILE.replace(b"\r\n", b",,\r\n") + b",,,,,,,\r\n\r\n"
    sheet = read_sheet(content, DECLARATIONS, Limits())
    assert sheet.values.height == 1 and sheet.values["odd_quote"].to_list() == [None]


@pytest.mark.parametrize("cells", [["1.00", "5", "6"], ["1.00", "tbc", "£5"], ["5"] * 7])
def test_a_file_without_a_last_line_end_is_taken_as_any_other(cells):
    """In several pieces, as a file without a last line end comes: patterns' groups once went wrong there."""
    types = ("started", "retained-1", "retained-2", "retained-3", "retained-4", "completed", "extended-1")
    rows = [
        EXPECTED | {"expected_amount": cell, "declaration_type": kind} for cell, kind in zip(cells, types, strict=False)
    ]
    content = "\n".join([",".join(EXPECTED), *(",".join(row.values()) for row in rows)])
    sheet = read_sheet(content.encode(), KINDS["expected-payments"], Limits())
    assert sheet.values["expected_amount"].to_list() == [
        {"5": "5.00", "6": "6.00", "£5": "5.00"}.get(cell, cell) for cell in cells
    ]
    many = "\n".join(
        [
            ",".join(EXPECTED),
            *(",".join((EXPECTED | {"expected_amount": cells[n % len(cells)]}).values()) for n in range(60_000)),
        ]
    )
    assert read_sheet(many.encode() + b"\n", KINDS["expected-payments"], Limits()).values.height == 60_000


def test_a_cell_of_an_apostrophe_alone_is_empty():
    assert codes(judged(World(), EXPECTED | {"expected_amount": "'"}, kind="expected-payments")) == []


def test_headers_as_people_write_them_are_taken_with_a_note():
    content = FILE.replace(b"participant_id,course_identifier", b"Participant ID,Course-Identifier")
    sheet = read_sheet(content, DECLARATIONS, Limits())
    assert sheet.values["participant_id"].to_list() == [ROW["participant_id"]]
    assert "“Participant ID” as participant_id" in sheet.notes[0]


def test_columns_of_another_kind_are_named():
    with pytest.raises(FileFailure, match="columns of deferrals or withdrawals"):
        read_sheet(b"participant_id,course_identifier,reason\na,b,c\n", DECLARATIONS, Limits())


def test_a_kind_is_not_named_for_columns_that_this_one_has_too():
    with pytest.raises(FileFailure) as refusal:
        read_sheet(b"participant_id,course_identifier,type,declaration_date\na,b,c,d\n", DECLARATIONS, Limits())
    assert "resumptions" not in refusal.value.message


def test_a_line_in_one_pair_of_quotes_is_told():
    with pytest.raises(FileFailure, match="around the whole line"):
        read_sheet(f'"{HEADER}"\n"{LINE}"\n'.encode(), DECLARATIONS, Limits())


WORDS = [
    ("declarations", {"declaration_type": "retained 1"}, "DECL-010", "You may mean retained-1."),
    ("declarations", {"declaration_type": "Retained1"}, "DECL-010", "You may mean retained-1."),
    ("deferrals", {"reason": "Career Break"}, "DEFER-008", "You may mean career-break."),
    (
        "schedule-changes",
        {"schedule_identifier": "ECF Standard_January"},
        "SCHED-008",
        "You may mean ecf-standard-january.",
    ),
]


@pytest.mark.parametrize(("kind", "change", "code", "words"), WORDS)
def test_a_word_in_other_spelling_is_refused_with_the_word_that_may_be_meant(kind, change, code, words):
    row = a_row(**change) if kind == "declarations" else a_training_row(**change)
    judgement = judged(World(), row, kind=kind)
    assert codes(judgement) == [code] and words in judgement.findings["message"][0]


def test_windows_1252_shows_a_word_of_the_file():
    sheet = read_sheet(f"{HEADER}\n{LINE[:-1]},Café\n".encode("cp1252"), DECLARATIONS, Limits())
    assert "line 2: “Café”" in sheet.notes[0]
