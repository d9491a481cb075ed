"""How a value from a file is shown in a message: short, and with nothing in it that cannot be seen or that turns text."""

import polars as pl

SHOWN_CHARACTERS = 120
# Control, format (bidirectional and zero-width ones among them), private and separating characters.
UNSEEN = r"[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]"
INSTEAD = "▯"


def shown_column(text: pl.Expr) -> pl.Expr:
    """The same for a column."""
    short = text.str.slice(0, SHOWN_CHARACTERS - 1) + "…"
    cut = pl.when(text.str.len_chars() > SHOWN_CHARACTERS).then(short).otherwise(text)
    return cut.str.replace_all(UNSEEN, INSTEAD)


def shown(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """A value from a file, for a message."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() or c in _SPACES else INSTEAD for c in cut)


_SPACES = frozenset("\u00a0\u2009\u202f\u3000")
