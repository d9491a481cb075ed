"""What the last round of statements was made from, and what it told."""

from sqlalchemy import delete, insert, select

from data.ledger.asking import Asking
from data.tables import statement_rounds


class Rounds(Asking):
    """See data.tables.statement_rounds."""

    def told(self, made_from: str) -> str | None:
        """What the last round told, if it was made from just this."""
        rows = self._all(select(statement_rounds.c.told).where(statement_rounds.c.made_from == made_from))
        return str(rows[0][0]) if rows else None

    def keep(self, made_from: str, told: str) -> None:
        """The last round was this one."""
        with self._database.write() as connection:
            connection.execute(delete(statement_rounds))
            connection.execute(insert(statement_rounds).values(made_from=made_from, told=told))
