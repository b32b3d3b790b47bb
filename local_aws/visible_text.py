"""Text from outside, made safe to show on a terminal or on a page."""

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of controls, of formats (bidirectional overrides, zero-width characters), of lone surrogates, of
line and of paragraph separators."""

_LAYOUT = "\n\t"


def visible(text: str) -> str:
    r"""Return `text` with each control and format character as its escape, such as `\x1b` or `\u202e`.

    Line feeds and tabs stay. The result is for reading: text that holds a backslash already is not told apart.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) if _is_invisible(character) else character for character in text)


def _is_invisible(character: str) -> bool:
    return character not in _LAYOUT and unicodedata.category(character) in _INVISIBLE


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
