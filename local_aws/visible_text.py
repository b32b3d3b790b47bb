"""Escaping of untrusted text for display on a terminal or a page."""

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories: control, format (bidirectional overrides, zero-width characters), surrogate, line separator and
paragraph separator."""

_LAYOUT = "\n\t"


def visible(text: str) -> str:
    r"""Return `text` with control and format characters escaped, such as `\x1b` or `\u202e`.

    Line feeds and tabs stay. The result is for display only: backslashes in `text` are not escaped.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) if _is_invisible(character) else character for character in text)


def _is_invisible(character: str) -> bool:
    return character not in _LAYOUT and unicodedata.category(character) in _INVISIBLE


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
