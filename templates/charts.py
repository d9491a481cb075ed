"""Where the bars of a statement's charts stand. Templates draw them (templates/charts.html); numbers come ready-made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, LABEL, ROW, GAP = 640, 190, 26, 14
MOST_BARS = 12


@dataclass(frozen=True)
class Bar:
    """One bar or part of a bar, in the chart's units, with the words beside it."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    label: str = ""


@dataclass(frozen=True)
class Chart:
    """bars to draw, texts (x, y, anchor, words), the chart's height, and the same in a sentence."""

    bars: list[Bar]
    texts: Sequence[tuple[float, float, str, str]]
    height: float
    says: str
    width: float = WIDTH


def filling_chart(filling: list[dict[str, Any]], roles: dict[str | None, str]) -> Chart | None:
    """How full each band is for each type: before this statement, and with it. filling: transforms.money.overview.filling."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for band in filling:
        groups.setdefault(f"{roles[band['role']]}{band['declaration_type']}", []).append(band)
    whole = max((sum(band["capacity"] for band in bands) for bands in groups.values()), default=0)
    if not whole:
        return None
    scale, said = (WIDTH - LABEL) / whole, []
    bars: list[Bar] = []
    texts: list[tuple[float, float, str, str]] = []
    for place, (name, bands) in enumerate(groups.items()):
        top, x = place * (ROW + GAP) + 16, float(LABEL)
        texts.append((LABEL - 8, top + ROW * 0.68, "end", name))
        for band in bands:
            low, high = sorted((band["before"], band["after"]))
            bars.append(Bar(x, top, band["capacity"] * scale, ROW, "empty"))
            bars.append(Bar(x, top, low * scale, ROW, "before"))
            bars.append(
                Bar(
                    x + low * scale,
                    top,
                    (high - low) * scale,
                    ROW,
                    "now" if band["after"] >= band["before"] else "back",
                )
            )
            if place == 0:
                wide = band["capacity"] * scale > 50
                texts.append((x + 3, 11, "start", f"Band {band['band']}" if wide else band["band"]))
            x += band["capacity"] * scale
        said.append(
            f"{name}: {sum(b['after'] for b in bands):,} of {sum(b['capacity'] for b in bands):,} places filled"
        )
    return Chart(bars, texts, len(groups) * (ROW + GAP) + 16, "; ".join(said) + ".")


def totals_chart(totals: list[dict[str, Any]]) -> Chart | None:
    """Totals by month, the last one this statement's. totals: month (words), pence."""
    if len(totals) < 2:
        return None
    shown = totals[-MOST_BARS:]
    highest, lowest = max(0, *(t["pence"] for t in shown)), min(0, *(t["pence"] for t in shown))
    tall = 150.0
    scale = tall / ((highest - lowest) or 1)
    step = WIDTH / len(shown)
    base = 22 + highest * scale
    bars, texts = [], []
    for place, each in enumerate(shown):
        height = abs(each["pence"]) * scale
        y = base - height if each["pence"] >= 0 else base
        kind = "now" if place == len(shown) - 1 else "before"
        bars.append(Bar(place * step + step * 0.15, y, step * 0.7, max(height, 1), kind))
        middle = place * step + step / 2
        texts.append((middle, y - 6 if each["pence"] >= 0 else y + height + 14, "middle", thousands(each["pence"])))
        texts.append((middle, tall + 58, "middle", each["short"]))
    said = "; ".join(f"{each['month']}: {thousands(each['pence'])}" for each in shown)
    return Chart(bars, texts, tall + 66, said + ".")


def partners_chart(partners: list[dict[str, Any]]) -> Chart | None:
    """Each delivery partner's share, dearest first; what is owed back is hatched. partners: delivery_partner_name, pence."""
    largest = max((abs(each["pence"]) for each in partners), default=0)
    if len(partners) < 2 or not largest:
        return None
    label, room = 250, 90
    scale = (WIDTH - label - room) / largest
    bars, texts = [], []
    for place, each in enumerate(partners):
        name, pence = each["delivery_partner_name"], each["pence"]
        top, wide = place * (ROW + 8), abs(pence) * scale
        bars.append(Bar(label, top, max(wide, 1), ROW, "now" if pence >= 0 else "back"))
        texts.append((label - 8, top + ROW * 0.68, "end", name if len(name) < 32 else name[:30] + "…"))
        texts.append((label + wide + 6, top + ROW * 0.68, "start", thousands(pence)))
    said = "; ".join(f"{each['delivery_partner_name']}: {thousands(each['pence'])}" for each in partners)
    return Chart(bars, texts, len(partners) * (ROW + 8), said + ".")


def thousands(pence: int) -> str:
    """Pounds for a chart: £12,345 or £1.2m; exact figures are in the tables."""
    sign, pounds = "−" if pence < 0 else "", abs(pence) / 100
    return f"{sign}£{pounds / 1_000_000:,.2f}m" if pounds >= 1_000_000 else f"{sign}£{pounds:,.0f}"
