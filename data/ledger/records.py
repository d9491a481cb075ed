"""Which of DfE's records are loaded: whose, and of which instant they speak."""

import hashlib
import json
from datetime import datetime

from sqlalchemy import func, select

from data.ledger.asking import Asking
from data.tables import RECORD_TABLES, Instant, lead_providers, mailboxes, records_imports, statements

contracts = RECORD_TABLES["contracts"]


class RecordsKept(Asking):
    """See data.tables.records_imports."""

    def lead_providers(self) -> list[tuple[str, str, bool, str]]:
        """(id, name, vat_registered, slug of its mailbox), by name."""
        c, m = lead_providers.c, mailboxes.c
        query = select(c.lead_provider_id, c.name, c.vat_registered, m.slug).join_from(
            lead_providers, mailboxes, m.lead_provider_id == c.lead_provider_id
        )
        return [tuple(row) for row in self._all(query.order_by(c.name, c.lead_provider_id))]

    def mailboxes(self) -> list[tuple[str, str, bool, str]]:
        """The same of every lead provider that ever had a mailbox, whoever has left the records among them."""
        m, p = mailboxes.c, lead_providers.c
        query = select(m.lead_provider_id, m.name, func.coalesce(p.vat_registered, False), m.slug).outerjoin(
            lead_providers, p.lead_provider_id == m.lead_provider_id
        )
        return [tuple(row) for row in self._all(query.select_from(mailboxes).order_by(m.name, m.lead_provider_id))]

    def owner_of_statement(self, statement_id: str) -> str | None:
        """The id of the lead provider whose statement it is."""
        s, c = statements.c, contracts.c
        query = select(c.lead_provider_id).join_from(statements, contracts, c.contract_id == s.contract_id)
        found = self._all(query.where(s.statement_id == statement_id))
        return str(found[0][0]) if found else None

    def as_of(self) -> datetime | None:
        """The instant of which DfE's records speak: as their last extract says, else when it was loaded."""
        found = self._all(select(func.max(records_imports.c.import_id)))[0][0]
        if found is None:
            return None
        moment = func.coalesce(records_imports.c.as_of, records_imports.c.imported_at, type_=Instant())
        query = select(moment).where(records_imports.c.import_id == found)
        return self._all(query)[0][0]

    def says_as_of(self) -> bool:
        """Whether the last extract loaded says itself of which instant it speaks."""
        newest = self._all(select(records_imports.c.as_of).order_by(records_imports.c.import_id.desc()).limit(1))
        return bool(newest and newest[0][0])

    def first_loaded(self) -> datetime | None:
        """When DfE's records were loaded for the first time."""
        first: datetime | None = self._all(select(func.min(records_imports.c.imported_at)))[0][0]
        return first

    def counts(self) -> dict[str, int]:
        """Rows of each table of DfE's records."""
        return {name: self._all(select(func.count()).select_from(table))[0][0] for name, table in RECORD_TABLES.items()}

    def calendar_version(self) -> str:
        """A short digest of contract periods and milestones as they stand in the records."""
        parts = []
        for name in ("contract_periods", "milestones"):
            table = RECORD_TABLES[name]
            rows = self._all(select(*table.c).order_by(*table.primary_key))
            parts.append([[str(value) for value in row] for row in rows])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
