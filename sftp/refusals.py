"""`from-dfe/refused.csv`: which uploads were refused, when and why, for senders whose programs show no words of a server's.

Columns: refused_at (RFC 3339), file_name, reason. The last 200. For machines and people alike, it
is plain text without a byte-order mark.
"""

import csv
import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime

REFUSED = "refused.csv"
MOST = 200
LONGEST_NAME = 200
MOST_BYTES = 1 << 20
_HEADER = "refused_at,file_name,reason"
_STARTS_A_FORMULA = re.compile(r"[\s\W_]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20\uFE66\uFE62\uFE63\uFE6B]")


@dataclass(frozen=True)
class Refusal:
    """One upload that was refused. at: seconds since 1970."""

    at: float
    file_name: str
    reason: str

    @property
    def line(self) -> str:
        moment = datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        written = io.StringIO()
        csv.writer(written, lineterminator="").writerow([moment, plain(self.file_name), plain(self.reason, 1000)])
        return written.getvalue()


def plain(text: str, most: int = LONGEST_NAME) -> str:
    """On one line, nothing unseen in it, nothing that a spreadsheet would run."""
    shown = "".join(sign if sign.isprintable() else "▯" for sign in text[:most])
    return f"'{shown}" if _STARTS_A_FORMULA.match(shown) else shown


def with_refusals(before: bytes, new: list[Refusal]) -> bytes:
    """The file with more refusals at its end: one that is there already is not told twice, and the same again at once takes
    the place of the one before it."""
    lines = [line for line in before.decode("utf-8", "replace").splitlines()[1:] if line.strip()]
    for line in (each.line for each in new):
        if line in lines:
            continue
        if lines and lines[-1].partition(",")[2] == line.partition(",")[2]:
            lines.pop()
        lines.append(line)
    return "\n".join([_HEADER, *lines[-MOST:], ""]).encode()
