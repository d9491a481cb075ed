"""Alembic's entry: it runs on the connection it is handed, or on the address in -x url=…"""

from alembic import context

from data.database import Database
from data.tables import metadata

connection = context.config.attributes.get("connection")


def run(bind: object) -> None:
    context.configure(connection=bind, target_metadata=metadata, render_as_batch=False)  # type: ignore[arg-type]
    with context.begin_transaction():
        context.run_migrations()


if connection is not None:
    run(connection)
else:
    with Database(context.get_x_argument(as_dictionary=True)["url"]).engine.connect() as own:
        run(own)
        own.commit()
