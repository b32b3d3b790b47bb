"""Tokens of pages that are the offset of the next page."""

_MAX_DIGITS = 18


def parse(token: str | None) -> int:
    """Return the offset in a token, 0 without one; raises ValueError for a text that is no offset."""
    text = token or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise ValueError(f"NextToken {text} is invalid")
    return int(text)
