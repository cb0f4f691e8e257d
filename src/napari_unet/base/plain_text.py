"""Text of anybody's that is safe to show: no character in it commands a terminal."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]

# Control, direction and other invisible characters, halves of pairs, line and page separators.
UNSEEN = ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")
KEPT = "\n\t"


def printable(text: str) -> str:
    r"""Return text with what is invisible written out.

    Examples
    --------
    >>> printable("cell\x1b[2Js.tif"), printable("µm → 3\n")
    ('cell\\x1b[2Js.tif', 'µm → 3\n')
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in UNSEEN and character not in KEPT
        else character
        for character in text
    )
