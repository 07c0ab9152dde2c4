"""How long a text is for a model, without the model's vocabulary.

Exact tokenizers need vocabularies of megabytes that their libraries download; an embedder that has its own
counts with that (`Embedder.count_tokens`). For the rest this estimates: a Han character, a kana or a syllable
of Hangul is one token; a word of letters one for each six letters (four outside of ASCII) begun; a number one
for each three digits begun; any other sign one; spaces none. docs/decisions/0014 has how far that
is from real tokenizers: from .95 to 1.19 of what they count.

It is subadditive: the parts of a text never count less together than the text. Chunking relies on that.
"""

from __future__ import annotations

import re
from collections.abc import Callable

CountTokens = Callable[[str], int]

_CJK = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u3100-\u318f\u31a0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f"
    "\U00020000-\U0003ffff"
)
_ONE = re.compile(f"[{_CJK}]")
_TOKENS = re.compile(rf"[{_CJK}]|[A-Za-z]{{1,6}}|[0-9]{{1,3}}|(?:(?![{_CJK}])[^\W\d_]){{1,4}}|\S")


def is_cjk(character: str) -> bool:
    """Whether a character is written without spaces between words: Han, kana, Hangul, bopomofo."""
    return _ONE.match(character) is not None


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is to a model; 0 for nothing but spaces."""
    return sum(1 for _ in _TOKENS.finditer(text))
