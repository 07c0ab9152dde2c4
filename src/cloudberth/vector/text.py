"""Words to search by, for stores whose own analyser does not know Chinese, Japanese and Korean.

Such a text is written as our tokens with spaces between, and so is a query: words in lower case, and of
scripts without spaces every two neighbouring characters (``向量数据`` → ``向量 量数 数据``). A run of one
character is a token of its own; a query of one character therefore finds it only where it stands alone.
"""

from __future__ import annotations

import re
import unicodedata

# Han with its extensions and compatibility forms, kana, Hangul.
_CJK = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_RUN = re.compile(f"(?P<cjk>[{_CJK}]+)|(?P<word>[^\\W_{_CJK}]+)")
_LONGEST = 64


def tokens(text: str) -> list[str]:
    """The tokens of a text, in its order, with repeats."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    found: list[str] = []
    for run in _RUN.finditer(folded):
        if word := run["word"]:
            found.append(word[:_LONGEST])
            continue
        characters = run["cjk"]
        if len(characters) == 1:
            found.append(characters)
        else:
            found += [characters[at : at + 2] for at in range(len(characters) - 1)]
    return found


def tokenized(text: str) -> str:
    """The tokens with a space between."""
    return " ".join(tokens(text))
