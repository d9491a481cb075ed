"""What `ectx check` says to people. It never says that a row is accepted: only DfE accepts."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from schemas.instants import in_london
from schemas.showing import shown

ROWS_SHOWN = 20
_MOST = 1000


def checked_report(files: Sequence[dict[str, Any]], as_of: datetime | None, warnings: Sequence[str]) -> str:
    """files: as `ectx check --json` has them. as_of: of the extract; None: there is none."""
    parts = [f"Note: {each}" for each in warnings]
    if as_of is not None:
        parts.append(f"Checked against your extract as of {in_london(as_of)} (London time).")
    else:
        parts.append(
            "Checked without an extract: what depends on DfE's records is not judged. Give one with --extract DIR."
        )
    parts += [_file(each) for each in files]
    return "\n\n".join(parts)


def _file(told: dict[str, Any]) -> str:
    name = shown(told["file"], 200)
    if told["file_errors"]:
        error = told["file_errors"][0]
        return f"{name}: the file would be refused whole.\n  {error['code']}: {shown(error['message'], _MOST)} {error['advice']}"
    rows = told["rows"]
    lines = [f"{name}: {_rows(rows['total'])}. {_verdict(rows)}"]
    counted = Counter(code for each in told["results"] for code in set(each["rule_codes"]))
    lines += [f"  {code}: {_rows(count)}" for code, count in counted.most_common()]
    rejected = [each for each in told["results"] if each["outcome"] == "rejected"]
    lines += [
        f"  line {each['line_number']}: {shown(message, _MOST)} ({code})"
        for each in rejected[:ROWS_SHOWN]
        for code, message in zip(each["rule_codes"], each["messages"], strict=True)
    ]
    if len(rejected) > ROWS_SHOWN:
        lines.append(
            f"  … and {_rows(len(rejected) - ROWS_SHOWN)} more: --json has all of them, --write a file to put right."
        )
    return "\n".join([*lines, *_not_judged(told)])


def _verdict(rows: dict[str, int]) -> str:
    if rows["rejected"]:
        return f"{rows['rejected']:,} would be rejected; {rows['passed']:,} break no rule that could be judged."
    return "None breaks a rule that could be judged."


def _not_judged(told: dict[str, Any]) -> list[str]:
    at_all = {each["code"] for each in told["not_judged"]}
    lines = []
    for why in dict.fromkeys(each["why"] for each in told["not_judged"]):
        codes = [each["code"] for each in told["not_judged"] if each["why"] == why]
        lines.append(f"  Not judged: {', '.join(codes)}. {why}")
    some = Counter(code for each in told["results"] for code in each["not_judged"] if code not in at_all)
    if some:
        told_of = ", ".join(f"{code} ({_rows(count)})" for code, count in some.most_common())
        lines.append(f"  Not judged of some rows, for the extract does not tell enough: {told_of}.")
    return lines


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
