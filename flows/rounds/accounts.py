"""What statements are computed from, out of the database; and the statements, computed."""

from datetime import date

from data.accounts import load_accounts
from data.expectations import load_expectations
from data.reader import Reader
from data.stated import stated_months
from flows.installation import Installation
from transforms.money.computing import Computed, Terms, compute
from transforms.money.expected import lists_compared


def computed_of(
    installation: Installation,
    reader: Reader,
    today: date,
    statement_ids: list[str] | None = None,
    again: bool = False,
    owners: list[str] | None = None,
) -> Computed:
    """The statements named, or all that are not paid, of all lead providers or of `owners` (ids), as they would be delivered now;
    `again`: as their last versions anew. Writes nothing."""
    accounts = load_accounts(reader, statement_ids, owners)
    lists = lists_compared(stated_months(reader), accounts.named, accounts.chosen)
    expectations = load_expectations(reader, lists)
    settings = installation.settings
    ordered = [
        each.lead_provider_id for each in installation.lead_providers() if settings.shares_are_ordered(each.slug)
    ]
    return compute(accounts, expectations, Terms(ordered, installation.versions.last_of_all(), today, again))
