"""Where a text may be cut without breaking what people see as one character.

The rules of Unicode's text segmentation (UAX 29) that matter for cutting: marks, joiners, variation
selectors, skin tones, flags and Hangul syllables stay together. Where in doubt it does not cut.
"""

from __future__ import annotations

import unicodedata

_LINE_ENDS = "\r\n"
_JOINER = "\u200d"
_TONES = range(0x1F3FB, 0x1F400)
_FLAGS = range(0x1F1E6, 0x1F200)
_TAGS = range(0xE0020, 0xE0080)
_LEADING_JAMO = range(0x1100, 0x1160)
_VOWEL_JAMO = range(0x1160, 0x11A8)
_TRAILING_JAMO = range(0x11A8, 0x1200)


def is_boundary(text: str, at: int) -> bool:
    """Whether the text may be cut in front of the character at this place."""
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before in _LINE_ENDS or after in _LINE_ENDS:
        return not (before == "\r" and after == "\n")
    if after.isascii() and before.isascii():
        return True
    if after == _JOINER or before == _JOINER or unicodedata.category(after)[0] == "M":
        return False
    left, right = ord(before), ord(after)
    if right in _TONES or right in _TAGS:
        return False
    if right in _FLAGS and left in _FLAGS:
        return _flags_before(text, at) % 2 == 0
    if left in _LEADING_JAMO:
        return right not in _LEADING_JAMO and right not in _VOWEL_JAMO and not 0xAC00 <= right < 0xD7A4
    if right in _VOWEL_JAMO or right in _TRAILING_JAMO:
        return not (left in _VOWEL_JAMO or left in _TRAILING_JAMO or 0xAC00 <= left < 0xD7A4)
    return True


def _flags_before(text: str, at: int) -> int:
    """How many regional indicators stand in a row in front of this place."""
    count = 0
    while at > count and ord(text[at - count - 1]) in _FLAGS:
        count += 1
    return count


def next_boundary(text: str, at: int) -> int:
    """The first place behind this one where the text may be cut."""
    at += 1
    while at < len(text) and not is_boundary(text, at):
        at += 1
    return min(at, len(text))
