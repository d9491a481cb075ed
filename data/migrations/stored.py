"""How instants and money were stored when these migrations were written. Code of today changes nothing here."""

import sqlalchemy as sa

INSTANT = sa.String().with_variant(sa.DateTime(timezone=True), "postgresql")
MONEY = sa.String().with_variant(sa.Numeric(14, 2), "postgresql")
