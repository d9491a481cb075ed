"""Tries at judging a file: again when it failed, with growing waits; then put aside by itself, so that the rest goes on.

Trouble from outside (disk, database, network) does not count: the next round tries again. A try that takes its process
with it leaves a mark; the next round judges that file in a process apart, so that a file which exhausts memory is told
from a machine that was switched off, and takes nobody with it. Run as a module, this is that process.
"""

import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from polars.exceptions import PanicException

from data.outside import is_from_outside
from flows.clock import to_the_second
from flows.errors import ExchangeError, log_trouble, what_is_known
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds.answering import receipt_of
from flows.rounds.processing import AlreadyJudged, process, promise_receipt
from flows.rounds.receipts import SET_ASIDE_NOTE, sweep_unfinished
from flows.service.kept import end_with_parent
from flows.settings import Settings
from schemas.events import DFE_STAFF, SUBMISSION_RETRIED, SUBMISSION_SET_ASIDE, SYSTEM
from schemas.inbound.failure import FileFailure
from schemas.instants import rfc3339
from schemas.submission import Outcome, Submission
from sftp.mailbox import MailboxError

log = logging.getLogger("ectx.intake")
RETRIES = 5
FIRST_WAIT = timedelta(minutes=1)  # doubled each time: half an hour in all
_TOLD = "ectx-tried "


class Failed(Exception):
    """A try that failed by the file's own doing or ours. trouble: what is known, nothing personal."""

    def __init__(self, trouble: str) -> None:
        super().__init__(trouble)
        self.trouble = trouble


def try_one(
    installation: Installation,
    provider: LeadProvider,
    submission: Submission,
    as_of: datetime | None,
    apart: bool = False,
) -> Outcome | None:
    """Judge a file, here or in a process apart. None: somebody else has. Raises Failed, or what came from outside."""
    mark = installation.settings.store_folder / "trying" / submission.submission_id
    is_apart = apart or mark.exists()
    try:
        if is_apart:
            outcome: Outcome | None = _apart(installation, submission, as_of)
        else:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
            outcome = process(installation, provider, submission, as_of)
    except AlreadyJudged:
        outcome = None
    except BaseException as error:
        if not is_apart:  # it came back; one that once took its process with it is tried apart until it is judged
            _unmark(mark)
        if isinstance(error, MailboxError | Failed) or not isinstance(error, Exception | PanicException):
            raise
        if not isinstance(error, ExchangeError):
            log_trouble(f"submission {submission.submission_id}", error)
        if is_from_outside(error):
            raise
        raise Failed(what_is_known(error)) from error
    _unmark(mark)
    return outcome


def _unmark(mark: Path) -> None:
    with suppress(OSError):
        mark.unlink(missing_ok=True)


def failed(
    installation: Installation, provider: LeadProvider, submission: Submission, trouble: str, now: datetime
) -> tuple[str, bool]:
    """Write down a try that failed: it is tried again later, or put aside. Returns a line for operators, and whether the
    files behind it may go on."""
    failures = submission.failures + 1
    if failures > RETRIES:
        known = f"tried {failures} times; {trouble}"
        set_aside(installation, provider, replace(submission, failures=failures), known, now, SYSTEM)
        return (
            f"{submission.submission_id} is put aside: {known}. See `ectx submission show {submission.submission_id}`",
            True,
        )
    again = now + FIRST_WAIT * 2 ** (failures - 1)
    installation.submissions.failed(submission.submission_id, failures, again, trouble)
    return (
        f"{submission.submission_id}: {trouble}; it is tried again at {to_the_second(again)}, files behind it wait",
        False,
    )


def set_aside(
    installation: Installation, provider: LeadProvider, submission: Submission, reason: str, now: datetime, author: str
) -> None:
    """Put a file aside unjudged: its sender gets a receipt that says so, and what lies behind it goes on. Raises AlreadyJudged."""
    outcome = Outcome(submission, now, set_aside=SET_ASIDE_NOTE)
    sha256 = receipt_of(installation, provider, outcome, None)
    with installation.database.write() as connection:
        if not installation.submissions.is_open(connection, submission.submission_id):
            raise AlreadyJudged(submission.submission_id)
        promise_receipt(installation, connection, provider, outcome, sha256)
        installation.submissions.settle(
            connection, submission.submission_id, failures=submission.failures, trouble=reason
        )
        _tell(installation, connection, submission, SUBMISSION_SET_ASIDE, author, reason, now)
    sweep_unfinished(installation.outbox, submission.submission_id)


def retry(
    installation: Installation, provider: LeadProvider, submission: Submission, as_of: datetime | None
) -> Outcome:
    """A person has a file tried again, now: judged as of when it was received. The caller holds the mailbox.

    Raises ExchangeError (NOT-JUDGED) where it fails again: then it is where it was.
    """
    now = installation.now(as_of)
    with installation.database.write() as connection:
        if not installation.submissions.is_open(connection, submission.submission_id):
            raise _is_judged(submission)
        _tell(installation, connection, submission, SUBMISSION_RETRIED, DFE_STAFF, None, now)
    try:
        outcome = try_one(installation, provider, submission, as_of)
    except Failed as error:
        installation.submissions.failed(
            submission.submission_id, submission.failures, submission.next_try_at, error.trouble
        )
        raise ExchangeError(
            "NOT-JUDGED", f"{submission.submission_id} could not be judged: {error.trouble}.", "It is where it was."
        ) from error
    if outcome is None:
        raise _is_judged(submission)
    return outcome


def _is_judged(submission: Submission) -> ExchangeError:
    return ExchangeError(
        "JUDGED", f"{submission.submission_id} has been judged.", "Its receipt is delivered, or with the next round."
    )


def _tell(
    installation: Installation,
    connection: Any,
    submission: Submission,
    kind: str,
    author: str,
    reason: str | None,
    now: datetime,
) -> None:
    installation.submissions.tell(
        connection, happened_at=now, type=kind, author=author, lead_provider_id=submission.lead_provider_id,
        submission_id=submission.submission_id, reason=reason,
    )  # fmt: skip


def _apart(installation: Installation, submission: Submission, as_of: datetime | None) -> Outcome:
    """Judge in a process of its own. Raises Failed when it died, or said that it failed."""
    settings = installation.settings
    told = {
        f"ECTX_{name.upper()}": _text(getattr(settings, name)) for name in Settings.model_fields if name != "ui_secret"
    }
    environment = {name: value for name, value in (os.environ | told).items() if value}
    # -P: where we stand may hold anything of these names; the settings' paths are as seen from there.
    command = [
        sys.executable,
        "-P",
        "-m",
        "flows.rounds.trying",
        submission.submission_id,
        rfc3339(as_of) if as_of else "now",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = next((line for line in done.stdout.splitlines() if line.startswith(_TOLD)), "")
    if not said:
        died = f"was killed by signal {-done.returncode}" if done.returncode < 0 else f"ended with {done.returncode}"
        raise Failed(f"the process that judged it {died}")
    answer = json.loads(said.removeprefix(_TOLD))
    if answer["judged"]:
        raise AlreadyJudged(submission.submission_id)
    if answer["outside"]:
        raise OSError(answer["trouble"])
    if answer["trouble"]:
        raise Failed(answer["trouble"])
    failure = FileFailure(**answer["failure"]) if answer["failure"] else None
    return Outcome(
        submission, datetime.fromisoformat(answer["processed_at"]), failure, answer["duplicate_of"],
        rows=answer["rows"], rule_counts=answer["rule_counts"],
    )  # fmt: skip


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _alone(submission_id: str, as_of: str) -> dict[str, Any]:
    """What came of the try, for whoever started this process."""
    nothing: dict[str, Any] = {"judged": False, "outside": False, "trouble": "", "failure": None}
    with open_installation() as installation:
        submission = installation.submissions.find(submission_id)
        assert submission is not None
        provider = installation.lead_provider(submission.lead_provider_id)
        try:
            outcome = process(
                installation, provider, submission, None if as_of == "now" else datetime.fromisoformat(as_of)
            )
        except AlreadyJudged:
            return nothing | {"judged": True}
        except (Exception, PanicException) as error:
            return nothing | {"trouble": what_is_known(error), "outside": is_from_outside(error)}
    return nothing | {
        "failure": vars(outcome.failure) if outcome.failure else None, "duplicate_of": outcome.duplicate_of,
        "rows": outcome.rows, "rule_counts": outcome.rule_counts, "processed_at": rfc3339(outcome.processed_at),
    }  # fmt: skip


def _die_first() -> None:
    """Where memory ends, the kernel ends this process before any other."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    end_with_parent()
    _die_first()
    print(_TOLD + json.dumps(_alone(*sys.argv[1:])), flush=True)
