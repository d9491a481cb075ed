"""One mailbox's turn: take, claim, read, judge, apply, deliver.

Every step can be cut at any instant: the next round finds what was taken, judged or owed, and carries on.
"""

import logging
import time
from datetime import datetime

from data.outside import is_from_outside
from flows.clock import to_the_second
from flows.installation import Installation, LeadProvider
from flows.rounds.claiming import Claims
from flows.rounds.delivery import deliver_owed
from flows.rounds.front import put_front
from flows.rounds.looking import Looks, forget_gone
from flows.rounds.trying import Failed, failed, try_one
from flows.rounds.waiting import WAITING, tell_what_waits
from schemas.reports import IntakeRound
from schemas.submission import Submission
from sftp.mailbox import MailboxError

log = logging.getLogger("ectx.intake")
TURN_SECONDS = 1.0  # after it, whoever waits behind a mailbox with many files has their turn


def in_turn(
    installation: Installation,
    provider: LeadProvider,
    looks: Looks,
    as_of: datetime | None,
    done: IntakeRound,
    patience: float,
    apart: bool,
) -> None:
    """One mailbox's work, unless somebody else is at it; no longer than a turn lasts, where much of it waits."""
    done.goes_on.discard(provider.slug)
    with installation.database.only_one(f"mailbox-{provider.slug}", patience) as ours:
        if not ours:
            done.busy.append(provider.slug)
            return
        all_is_claimed = False
        try:
            mailbox = installation.mailbox(provider.slug)
            claims = Claims(installation, provider, mailbox, as_of)
            claims.left_over()
            settled = looks.settled.pop(provider.slug, [])  # of a later turn there is nothing more to take
            claims.take(settled)
            if stale := looks.stale.pop(provider.slug, []):
                forget_gone(installation, provider, stale)
            all_is_claimed = not claims.troubles
            done.troubles += claims.troubles
            done.waits += claims.notices
            _judge_waiting(installation, provider, as_of, done, apart)
            waited = mailbox.own(WAITING)
            if installation.is_practice:  # what is late, and for how long a file waits, is a matter of real time
                done.waits += tell_what_waits(installation, provider, mailbox, installation.database.now())
            else:
                done.troubles += claims.late_checksums(settled)
                done.waits += tell_what_waits(installation, provider, mailbox, as_of)
            delivered = deliver_owed(installation, provider, mailbox, installation.now(as_of))
            done.delivered += delivered
            if not delivered and mailbox.own(WAITING) != waited:
                put_front(installation, provider, mailbox, installation.now(as_of))
        except MailboxError as error:
            log.warning("mailbox %s: %s", provider.slug, error)
            done.troubles.append(f"{provider.slug}: {error}")
        finally:
            if not all_is_claimed:
                done.unseen.add(provider.slug)


def judge_waiting_of(installation: Installation, provider: LeadProvider, as_of: datetime | None) -> IntakeRound:
    """Judge what is claimed of one mailbox, as far as it goes. The caller holds it."""
    done = IntakeRound()
    _judge_waiting(installation, provider, as_of, done, lasts=float("inf"))
    return done


def _judge_waiting(
    installation: Installation,
    provider: LeadProvider,
    as_of: datetime | None,
    done: IntakeRound,
    apart: bool = False,
    lasts: float = TURN_SECONDS,
) -> None:
    """Judge a mailbox's claimed files, in their order: a void counts after its declaration. So none is judged before one
    that has to be tried again."""
    if installation.is_practice:  # its turns judge, for a file may ask for more (flows.practice.turns)
        return
    over = time.monotonic() + lasts
    for place, submission in enumerate(installation.submissions.waiting(provider.lead_provider_id)):
        if place and time.monotonic() > over:
            done.goes_on.add(provider.slug)
            return
        if not judge_one(installation, provider, submission, as_of, done, apart):
            return


def judge_one(
    installation: Installation,
    provider: LeadProvider,
    submission: Submission,
    as_of: datetime | None,
    done: IntakeRound,
    apart: bool = False,
) -> bool:
    """Judge one claimed file, unless its next try is not due. Says whether the files behind it may go on."""
    now = installation.now(as_of)
    if submission.next_try_at and now < submission.next_try_at:
        done.waits.append(
            f"{submission.submission_id} is tried again at {to_the_second(submission.next_try_at)}: {submission.trouble}"
        )
        return False
    try:
        outcome = try_one(installation, provider, submission, as_of, apart)
        if outcome:
            done.outcomes.append(outcome)
    except Failed as error:
        line, is_aside = failed(installation, provider, submission, error.trouble, now)
        done.troubles.append(line)
        return is_aside
    except MailboxError:
        raise
    except Exception as error:
        if not is_from_outside(error):
            raise
        done.troubles.append(f"{submission.submission_id}: {type(error).__name__}; it will be tried again next round")
        return False
    return True
