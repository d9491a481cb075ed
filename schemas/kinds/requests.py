"""The rules of a request for an extract, REQUEST-001 and REQUEST-002 (ours)."""

from datetime import timedelta

import polars as pl

from schemas.kinds.kind import Kind, Owner
from schemas.needs import Need
from schemas.rules import Rule
from schemas.vocabulary import REQUESTS

MOST_AT_ONCE, WITHIN = 4, timedelta(hours=1)

RULES: tuple[Rule, ...] = (
    Rule(
        code="REQUEST-001",
        field="request",
        broken=pl.col("request").is_null() | ~pl.col("request").is_in(REQUESTS),
        message=pl.when(pl.col("request").is_null())
        .then(pl.lit("The request is blank."))
        .otherwise(pl.format("“{}” is not a request that we know.", pl.col("request_shown"))),
        advice=f"Use one of: {', '.join(REQUESTS)}.",
        source="ours",
    ),
    Rule(
        code="REQUEST-002",
        field="request",
        broken=pl.col("asked_lately") >= MOST_AT_ONCE,
        message=f"You have asked for {MOST_AT_ONCE} extracts within an hour.",
        advice="You can ask for the next from {next_at}. A full set comes every night without asking.",
        source="ours",
        silenced_by=("request",),
    ),
)

KIND = Kind(
    name="requests",
    does="Asks for an extract at once, between nights.",
    place=10,
    required=("request",),
    optional=(),
    owner="request",
    owned_by=Owner.REQUEST,
    rules=RULES,
    told_done_by=frozenset(),
    needs=(Need("extract_requests", own=True), Need("extract_sets", own=True)),
    memory=None,
    is_judged_anew=True,
)
