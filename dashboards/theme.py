"""The theme of charts: axes, and the colours of currencies, stages and states."""

from typing import Any

import altair as alt
import streamlit as st

INK, MUTED, LINE = "#14212b", "#5d6d78", "#e6ebee"
CURRENCIES = {"GBP": "#0f766e", "USD": "#d97706", "EUR": "#4f46e5"}
OTHERS = ("#be185d", "#0369a1", "#65a30d", "#7c2d12")
GOOD, FAIR, BAD, IDLE, BUSY = "#15803d", "#eab308", "#dc2626", "#94a3b8", "#2563eb"
ON_TIME, LATE, UNPAID = "#58a88f", "#f0b849", "#e08a80"
CONTRAST = "#94a3b8"
STAGES = ("#0f766e", "#4f46e5", "#d97706", "#be185d", "#0369a1")

_FONT = '"Source Sans", sans-serif'
_AXIS = {
    "labelFont": _FONT,
    "titleFont": _FONT,
    "labelFontSize": 12,
    "labelColor": MUTED,
    "title": None,
    "domain": False,
    "ticks": False,
    "labelPadding": 6,
    "gridColor": LINE,
}
_PADDING = {"left": 2, "right": 4, "top": 4, "bottom": 2}
_USERMETA = {"embedOptions": {"renderer": "svg"}}  # sharp in every resolution, with an aria-label for each mark
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": _AXIS,
    "axisX": {"grid": False, "labelOverlap": "greedy", "labelSeparation": 12, "labelFlush": False},
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "labelFontSize": 12,
        "labelColor": MUTED,
        "symbolType": "circle",
        "symbolSize": 90,
        "offset": 4,
        "columns": 4,
    },
    "title": {"anchor": "start", "fontSize": 14, "fontWeight": 600, "color": INK, "offset": 10, "frame": "bounds"},
}


def colour_of(currency: str) -> str:
    """Return the colour of a currency: its own, or for other currencies one derived from the code."""
    return CURRENCIES.get(currency) or OTHERS[sum(map(ord, currency)) % len(OTHERS)]


def scale(currencies: list[str]) -> alt.Scale:
    """Return the colour scale of the currencies."""
    return alt.Scale(domain=currencies, range=[colour_of(currency) for currency in currencies])


def show(chart: alt.Chart | alt.LayerChart | alt.FacetChart, height: int, alt_text: str) -> None:
    """Draw a chart in the available width, with an alternative text."""
    themed = chart.properties(height=height, width="container", padding=_PADDING, usermeta=_USERMETA)
    st.altair_chart(themed.configure(**_CONFIG), width="stretch", theme=None, alt=alt_text)
