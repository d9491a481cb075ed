"""What the last round of statements of each lead provider was made from, and what it told."""

from sqlalchemy import delete, insert, select

from data.ledger.asking import Asking
from data.tables import statement_rounds


class Rounds(Asking):
    """See data.tables.statement_rounds."""

    def told(self) -> dict[str, tuple[str, str]]:
        """Lead provider id → (what the last round was made from, what it told)."""
        c = statement_rounds.c
        return {row[0]: (row[1], row[2]) for row in self._all(select(c.lead_provider_id, c.made_from, c.told))}

    def keep(self, rounds: dict[str, tuple[str, str]]) -> None:
        """The last rounds of these lead providers were these: lead provider id → (made from, told)."""
        if not rounds:
            return
        c = statement_rounds.c
        rows = [{"lead_provider_id": own, "made_from": a, "told": b} for own, (a, b) in rounds.items()]
        with self._database.write() as connection:
            connection.execute(delete(statement_rounds).where(c.lead_provider_id.in_(list(rounds))))
            connection.execute(insert(statement_rounds), rows)
