"""What every part of the ledger asks with."""

from typing import Any

from data.database import Database

AT_ONCE = 500  # of what a question names one by one


class Asking:
    """A part of the ledger, over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _all(self, query: Any) -> list[Any]:
        with self._database.engine.connect() as connection:
            return list(connection.execute(query))
