"""Human-readable numbers, durations and times."""

from datetime import datetime

SYMBOLS = {"GBP": "£", "USD": "$", "EUR": "€"}

_STEPS = ((1e9, "bn"), (1e6, "m"), (1e3, "k"))
_MINUTE, _HOUR, _DAY = 60, 3600, 86400

AXIS = (
    "abs(datum.value) >= 1e9 ? format(datum.value / 1e9, '.3~g') + 'bn' : abs(datum.value) >= 1e6 ?"
    " format(datum.value / 1e6, '.3~g') + 'm' : abs(datum.value) >= 1e3 ? format(datum.value / 1e3, '.3~g') + 'k' :"
    " format(datum.value, ',.3~r')"
)
"""The format of `short` for the labels of an axis, as a Vega expression."""


def short(value: float, currency: str = "") -> str:
    """Return a number with at most three digits and a unit, such as £1.2m, or 1.2m without a currency."""
    for step, unit in _STEPS:
        if abs(value) >= step * 0.9995:
            scaled = value / step
            return _signed(f"{abs(scaled):.{0 if abs(scaled) >= 99.95 else 1}f}{unit}", value, currency)  # noqa: PLR2004
    return _signed(f"{abs(value):,.0f}", value, currency)


def exact(value: float, currency: str = "", decimals: int = 0) -> str:
    """Return a number with all its digits, such as £1,234,567."""
    return _signed(f"{abs(value):,.{decimals}f}", value, currency)


def age(seconds: float) -> str:
    """Return a duration in its two largest units."""
    for unit, name, smaller, smaller_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if seconds >= unit:
            rest = int(seconds % unit // smaller)
            return f"{int(seconds // unit)} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{seconds:.0f} s"


def moment(value: datetime) -> str:
    """Return a time in the local time zone."""
    return f"{value.astimezone():%-d %b %Y, %H:%M:%S}"


def _signed(text: str, value: float, currency: str) -> str:
    symbol = SYMBOLS.get(currency, f"{currency} " if currency else "")
    return f"{'-' if value < 0 else ''}{symbol}{text}"
