"""A round of statements of many lead providers: where there is much to compute, a process a core takes one of them after another,
and none has more in memory than one needs."""

from datetime import datetime

from data.accounts import declarations_not_paid
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds.hands import by_processes
from flows.rounds.statements import statements_round, whose_statements
from flows.settings import Settings
from schemas.reports import IntakeRound, StatementsRound, add_report

MANY_DECLARATIONS = 5_000  # below it, what starting the processes costs is not won back


def statements_of_all(
    installation: Installation, as_of: datetime | None, chosen: list[LeadProvider] | None = None
) -> StatementsRound:
    """A round of statements of those chosen, or of everybody. One of whom it does not come to its end is told, and the others go
    on."""
    providers = installation.lead_providers() if chosen is None else chosen
    moved = set(whose_statements(installation, as_of)[0])
    with installation.database.read() as reader:
        counts = declarations_not_paid(reader)
    sizes = {each.slug: counts.get(each.lead_provider_id, 0) for each in providers if each.slug in moved}
    if len(sizes) < 2 or sum(sizes.values()) < MANY_DECLARATIONS:
        return statements_round(installation, as_of, chosen=chosen)
    largest_first = sorted((each.slug for each in providers), key=lambda slug: -sizes.get(slug, 0))
    settings = installation.settings
    parts = by_processes(_of_one, [(settings, slug, as_of) for slug in largest_first], settings.processes)
    came = dict(zip(largest_first, parts, strict=True))
    done = StatementsRound(IntakeRound())
    for each in providers:
        part = came[each.slug]
        if part.trouble:
            done.troubles.append(
                f"{each.slug}: its statements were left as they were: {part.trouble}; run this one again"
            )
        else:
            add_report(done, part.value)
    return done


def _of_one(settings: Settings, slug: str, as_of: datetime | None) -> StatementsRound:
    with open_installation(settings) as installation:
        return statements_round(installation, as_of, chosen=[installation.lead_provider(slug)])
