"""How a value from a file is shown in a message: short, and with nothing in it that cannot be seen or that turns text."""

import re

import polars as pl

SHOWN_CHARACTERS = 120
# Control, format (bidirectional and zero-width ones among them), private and separating characters.
UNSEEN = r"[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]"
INSTEAD = "▯"
# What a spreadsheet runs: a sign, plain, full-width or small, after whatever does not show.
STARTS_A_FORMULA = (
    r"[\s\p{Z}\p{Cc}\p{Cf}\u{034F}\u{115F}\u{1160}\u{17B4}\u{17B5}\u{180B}-\u{180F}\u{2065}\u{2800}\u{3164}\u{FFA0}\u{FE00}-\u{FE0F}"
    r"\u{FFF0}-\u{FFF8}\u{1D159}\u{1D173}-\u{1D17A}\u{E0000}-\u{E0FFF}]*"
    r"[=+\-@\u{FF1D}\u{FF0B}\u{FF0D}\u{FF20}\u{FE66}\u{FE62}\u{FE63}\u{FE6B}]"
)


def shown_column(text: pl.Expr) -> pl.Expr:
    """The same for a column."""
    short = text.str.slice(0, SHOWN_CHARACTERS - 1) + "…"
    cut = pl.when(text.str.len_chars() > SHOWN_CHARACTERS).then(short).otherwise(text)
    return cut.str.replace_all(UNSEEN, INSTEAD)


_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&$])")


def in_markdown(text: str, most: int = 200) -> str:
    """A name in operators' Markdown: as it is, whatever signs it has, and never a link."""
    plain = _MARKDOWN.sub(r"\\\1", shown(text, most))
    return plain.replace("://", ":\\/\\/").replace("www.", "www\\.")


def shown(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """A value from a file, for a message."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() or c in _SPACES else INSTEAD for c in cut)


_SPACES = frozenset("\u00a0\u2009\u202f\u3000")
