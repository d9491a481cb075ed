"""Tables on a narrow screen: each row becomes a card whose cells name their columns, so that no answer lies beyond the edge.

A table's columns are named once, in its heading; the style that repeats them beside the cells is made of that here.
"""

import re

_TABLE = re.compile(r"<table(?: class=\"([^\"]*)\")?>((?:(?!</table>).)*?)</thead>", re.DOTALL)
_HEADING = re.compile(r"<th scope=\"col\"[^>]*>(.*?)</th>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
STYLE_ENDS = "</style>"


def with_cards(page: str) -> str:
    """A page with a style for each of its tables that has a heading: the names of columns beside their cells."""
    rules: list[str] = []
    known: dict[tuple[str, ...], str] = {}

    def named(table: re.Match[str]) -> str:
        columns = tuple(_HEADING.findall(table[2]))
        if columns not in known:
            known[columns] = f"c{len(known) + 1}"
            rules.extend(
                f'.{known[columns]} td:nth-child({place})::before {{ content: "{_in_style(words)}"; }}'
                for place, words in enumerate(columns, 1)
            )
        classes = " ".join(part for part in (table[1], "cards", known[columns]) if part)
        return f'<table class="{classes}">{table[2]}</thead>'

    changed = _TABLE.sub(named, page)
    if not rules:
        return page
    style = "@media screen and (max-width: 40rem) { " + " ".join(rules) + " }\n"
    return changed.replace(STYLE_ENDS, style + STYLE_ENDS, 1)


def _in_style(words: str) -> str:
    """Words of a heading as a string of a style sheet: what pages escape, written as itself."""
    plain = _TAG.sub("", words).strip()
    for escaped, sign in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        plain = plain.replace(escaped, sign)
    return "".join(sign if sign.isalnum() or sign in " ,.£-()’" else f"\\{ord(sign):x} " for sign in plain)
