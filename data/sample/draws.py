"""Repeatable chance for the sample: every draw has a name, so adding one draw moves no other."""

import hashlib

import numpy as np
import polars as pl

SEED = "ect-file-exchange sample 1"


def chance(name: str) -> np.random.Generator:
    """A generator that always draws the same for the same name."""
    digest = hashlib.sha256(f"{SEED} {name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def uuids(name: str, count: int) -> pl.Series:
    """`count` UUIDs (version 4 in form) as text."""
    raw = np.frombuffer(chance(f"uuids {name}").bytes(16 * count), dtype=np.uint8).reshape(count, 16).copy()
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x40
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    text = pl.Series(np.frombuffer(raw.tobytes().hex().encode(), dtype="S32")).cast(pl.String)
    ids = text.to_frame("id").select(
        pl.concat_str(
            [pl.col("id").str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))],
            separator="-",
        )
    )
    return ids.to_series()


def draws(name: str, count: int) -> pl.Series:
    """`count` numbers from 0 up to 1."""
    return pl.Series(name, chance(f"draws {name}").random(count))


def whole(name: str, count: int, below: int) -> pl.Series:
    """`count` whole numbers from 0 up to, not including, `below`."""
    return pl.Series(name, chance(f"whole {name}").integers(0, max(below, 1), count))
