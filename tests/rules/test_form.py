"""FILE- rules: what a file, a row and a cell must look like."""

import pytest

from schemas.inbound.failure import FileFailure
from schemas.inbound.names import kind_of, nearest_kind
from schemas.inbound.reading import Limits, read_sheet, too_large
from tests.builders import DECLARATIONS, codes, judged, outcomes, sheet_of
from transforms.changes import act_of_file
from transforms.examples.world import (
    NOW,
    STRANGER,
    US,
    World,
    a_row,
    an_id,
)
from transforms.judging import judge
from transforms.receipts import portions

HEADER = b"participant_id,course_identifier,declaration_type,declaration_date\n"
ROW = b"a,b,c,d\n"

REFUSED = [
    ("empty", b"", "FILE-004"),
    ("only blanks", b" \r\n\n", "FILE-004"),
    ("only a mark", b"\xef\xbb\xbf", "FILE-004"),
    ("only commas", b",,,\n,,,\n", "FILE-004"),
    ("header alone", HEADER, "FILE-004"),
    ("header and blank lines", HEADER + b"\n,,,\n  \n", "FILE-004"),
    ("UTF-16", (HEADER + ROW).decode().encode("utf-16"), "FILE-002"),
    ("UTF-16 without a mark", (HEADER + ROW).decode().encode("utf-16-le"), "FILE-002"),
    ("a workbook", b"PK\x03\x04" + ROW, "FILE-002"),
    ("neither encoding", HEADER + b"a,b,c,\x81\n", "FILE-002"),
    ("a quote never closed", HEADER + b'a,b,c,d\na,"b,c,d\n' + ROW, "FILE-006"),
    ("a quote closed too early", HEADER + b'"a"b,c,d,e\n', "FILE-006"),
    ("a column missing", b"participant_id,course_identifier,declaration_date\na,b,c\n", "FILE-007"),
    ("a column twice", HEADER[:-1] + b",Participant_ID\na,b,c,d,e\n", "FILE-007"),
    ("semicolons", HEADER.replace(b",", b";") + b"a;b;c;d\n", "FILE-007"),
    ("too many rows", HEADER + ROW * 6, "FILE-005"),
]


@pytest.mark.parametrize(("content", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_file_that_cannot_be_read_is_refused_whole(content, code):
    with pytest.raises(FileFailure) as refusal:
        read_sheet(content, DECLARATIONS, Limits(rows=5))
    assert refusal.value.code == code
    assert refusal.value.message and refusal.value.advice


def test_a_torn_quote_names_its_line():
    with pytest.raises(FileFailure) as refusal:
        read_sheet(HEADER + b'a,b,c,d\na,"b,c,d\n' + ROW, DECLARATIONS, Limits())
    assert refusal.value.line == 3


def test_a_wrong_header_names_every_column_and_the_nearest():
    with pytest.raises(FileFailure) as refusal:
        read_sheet(b"participant,course_identifier,type,declaration_date\na,b,c,d\n", DECLARATIONS, Limits())
    assert "participant_id" in refusal.value.message and "declaration_type" in refusal.value.message
    assert "is it the one named participant?" in refusal.value.message


def test_semicolons_are_named():
    with pytest.raises(FileFailure) as refusal:
        read_sheet(HEADER.replace(b",", b";") + b"a;b;c;d\n", DECLARATIONS, Limits())
    assert "semicolons" in refusal.value.advice


@pytest.mark.parametrize(("size", "code"), [(256 << 20, None), ((256 << 20) + 1, "FILE-005")])
def test_a_file_may_be_as_large_as_the_limit(size, code):
    failure = too_large(size, Limits())
    assert (failure.code if failure else None) == code


def test_order_of_columns_is_free_and_unknown_ones_are_noted():
    content = (
        b"trn,declaration_date,declaration_type,course_identifier,participant_id,errors,colour\n,d,t,c,p,bad,red\n"
    )
    sheet = read_sheet(content, DECLARATIONS, Limits())
    row = sheet.values.to_dicts()[0]
    assert (row["participant_id"], row["declaration_date"], row["trn"]) == ("p", "d", None)
    assert sheet.notes == ["Columns that a declarations file does not use were ignored: colour."]


def test_windows_1252_is_read_and_noted():
    content = HEADER[:-1] + b",your_reference\na,b,c,d,caf\xe9 \x96 1\n"
    sheet = read_sheet(content, DECLARATIONS, Limits())
    assert sheet.values["your_reference"][0] == "café – 1"
    assert "Windows-1252" in sheet.notes[0]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_is_read_alike(line_end):
    sheet = read_sheet((b"\xef\xbb\xbf" + HEADER + ROW + ROW).replace(b"\n", line_end), DECLARATIONS, Limits())
    assert sheet.values["declaration_date"].to_list() == ["d", "d"]
    assert sheet.header[0] == "participant_id"


@pytest.mark.parametrize("quoted", [False, True])
def test_lines_are_numbered_as_they_stand_and_blank_ones_skipped(quoted):
    second = b'"a\nb",b,c,d\n' if quoted else ROW
    sheet = read_sheet(HEADER + ROW + b"\n" + second + b",,,\n" + ROW, DECLARATIONS, Limits())
    assert sheet.values["row_number"].to_list() == [1, 2, 3]
    assert sheet.values["line_number"].to_list() == ([2, 4, 7] if quoted else [2, 4, 6])


def test_values_are_trimmed_and_our_own_apostrophe_is_taken_off():
    sheet = read_sheet(HEADER[:-1] + b",your_reference\n a ,b,c,d,'=1+1\nx,b,c,d,'plain\n", DECLARATIONS, Limits())
    assert sheet.values["participant_id"].to_list() == ["a", "x"]
    assert sheet.values["your_reference"].to_list() == ["=1+1", "'plain"]


CELLS = [
    ({"participant_id": "1.23E+06"}, "FILE-010"),
    ({"your_reference": "x" * 101}, "FILE-011"),
    ({"your_reference": "a\tb"}, "FILE-011"),
    ({"your_reference": "a\nb"}, "FILE-011"),
    ({"your_reference": "a�b"}, "FILE-011"),
    ({"trn": "654321"}, "FILE-012"),
    ({"trn": "1.23E+05"}, "FILE-012"),
    ({"trn": "12345678"}, "FILE-012"),
]


@pytest.mark.parametrize(("change", "code"), CELLS)
def test_a_malformed_cell_is_refused(change, code):
    assert codes(judged(World(), a_row(**change))) == [code]


@pytest.mark.parametrize("reference", ["x" * 100, "=1+1", "-2", "@me", "+44", "naïve 😀"])
def test_accents_emoji_and_formulas_are_text(reference):
    judgement = judged(World(), a_row(your_reference=reference))
    assert outcomes(judgement) == ["accepted"]
    assert judgement.changes.inserts["declarations"]["your_reference"][0] == reference


@pytest.mark.parametrize(
    ("trn", "words"),
    [("654321", "leading zero"), ("1.2E+06", "digits are lost"), ("4.96E+06", "Format Cells")],
)
def test_known_damage_is_named(trn, words):
    message = judged(World(), a_row(trn=trn)).findings["message"][0]
    assert words in message and trn in message


def test_ragged_rows_are_refused_alone_and_lose_nothing():
    good = ",".join(a_row().values()).encode()
    content = ",".join(a_row()).encode() + b"\na,b,c\n" + good + b"\n" + good + b",e,f\n"
    sheet = read_sheet(content, DECLARATIONS, Limits())
    judgement = judge(sheet, DECLARATIONS, World().snapshot(), act_of_file("s", US, NOW))
    assert outcomes(judgement) == ["rejected", "accepted", "rejected"]
    assert codes(judgement, 1) == codes(judgement, 3) == ["FILE-008"]
    assert next(portions(judgement)).results["extra_cells"].to_list() == [None, None, "e,f"]


def test_the_fifty_first_row_of_one_participant_is_refused():
    rows = [a_row(declaration_type="x") for _ in range(50)]
    assert codes(judged(World(), *rows, a_row()), 51) == ["FILE-014"]
    assert codes(judged(World(), *rows[:49], a_row()), 50) == []


def test_rows_without_an_owner_do_not_count():
    rows = [a_row(participant_id="") for _ in range(60)]
    judgement = judged(World(), *rows, a_row())
    assert codes(judgement, 60) == ["DECL-003"]
    assert codes(judgement, 61) == []


NAMES = [
    ("declarations.csv", "declarations"),
    ("Declarations-2026.CSV", "declarations"),
    ("partnership-changes_x.csv", "partnership-changes"),
    ("partnerships-x.csv", "partnerships"),
    ("declarations (1).csv", "declarations"),
    ("declarations november.csv", "declarations"),
    ("declarations[2].csv", "declarations"),
    ("declarations2026.csv", "declarations"),
    ("declarations.csv.csv", "declarations"),
    ("Partnership-Changes (Northern & Co).csv", "partnership-changes"),
    ("expected-payments.2027.csv", "expected-payments"),
    ("voids and declarations.csv", None),
    ("voids=1.csv", None),
    ("declarations@2026-01-01T00-00-00Z.csv", None),
    ("declarations;x.csv", None),
    ("declarationsx.csv", None),
    ("declarations.xlsx", None),
    ("december declarations.csv", None),
]


@pytest.mark.parametrize(("name", "kind"), NAMES)
def test_the_name_says_the_kind(name, kind):
    found = kind_of(name)
    assert (found.name if found else None) == kind


def test_a_misspelt_kind_is_guessed():
    assert nearest_kind("declaration_dec.csv") == "declarations"
    assert nearest_kind("withdrawal.csv") == "withdrawals"
    assert nearest_kind("€.csv") is None and nearest_kind("Book1.csv") is None
    assert nearest_kind("expected payments.csv") == "expected-payments"


def test_a_receipt_has_every_row_and_formulas_are_defused():
    rows = [a_row(your_reference="=cmd()"), a_row(participant_id=STRANGER, your_reference="-1")]
    judgement = judged(World(), *rows)
    sheet = sheet_of("declarations", *rows)
    portion = next(portions(judgement))
    back = portion.rejected
    assert portion.results["outcome"].to_list() == ["accepted", "rejected"]
    assert portion.results["your_reference"].to_list() == ["'=cmd()", "'-1"]
    assert back.columns == ["line_number", *sheet.header, "errors"] and back["line_number"].to_list() == [3]
    assert back["errors"][0].startswith("DECL-004 (participant_id): ")


def test_messages_quote_values_as_sent_and_cut_long_ones_short():
    message = judged(World(), a_row(course_identifier="ECF-" + "X" * 500)).findings["message"][0]
    assert "“ECF-XXX" in message and len(message) < 300
    assert an_id("x") not in message


BLANKS = ["\u00a0", "\ufeff", " \t\u3000"]


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_a_blank_row_is_blank_with_quotes_elsewhere_and_without(blank):
    plain = HEADER + ROW + f"{blank},,\n".encode() + ROW
    quoted = plain + b'"a",b,c,d\n'
    rows = [read_sheet(content, DECLARATIONS, Limits()).values["line_number"].to_list() for content in (plain, quoted)]
    assert rows == [[2, 4], [2, 4, 5]]


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_where_a_piece_begins_changes_nothing(size, monkeypatch):
    rows = b"".join([b"\xef\xbb\xbfa,b,c,d\n", b"\xc3\xa9,b,c,d\r\n", b"\r\n", b"a,b,c\n", b"\xe2\x82\xac,,,x"])
    whole = read_sheet(HEADER + rows, DECLARATIONS, Limits())
    monkeypatch.setattr("schemas.inbound.pieces.PIECE_BYTES", size)
    pieces = read_sheet(HEADER + rows, DECLARATIONS, Limits())
    assert pieces.cells.equals(whole.cells) and pieces.values.equals(whole.values)
    assert whole.cells["0"].to_list() == ["\ufeffa", "é", "a", "€"]
