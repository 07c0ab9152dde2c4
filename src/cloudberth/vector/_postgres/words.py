"""Words on the wire: our tokens as a tsvector and a tsquery, so that Chinese is found on any PostgreSQL.

The server's own parsers are not used: what they make of Chinese depends on its build and locale. The column
is null in rows that Dify wrote; these are searched by the tokens as parts of the text.
"""

from __future__ import annotations

import re

from cloudberth.vector.text import tokens

# PostgreSQL's limits: places of a word in one text, and the largest place.
_PLACES = 255
_LAST_PLACE = 16_383
# A tsvector has at most 1 MiB of words and places; what a text has beyond that is not found by its words.
_MOST_BYTES = 900_000
MOST_QUERY_TOKENS = 64


def tsvector(text: str) -> str:
    """The tokens of a text with their places, in the text form of a tsvector. No token needs quoting."""
    places: dict[str, list[int]] = {}
    size = 0
    for place, token in enumerate(tokens(text), 1):
        found = places.get(token)
        if found is None:
            size += len(token.encode()) + 4
            if size > _MOST_BYTES:
                break
            found = places[token] = []
        if len(found) < _PLACES and place <= _LAST_PLACE:
            found.append(place)
            size += 2
    return " ".join(
        f"'{token}':{','.join(map(str, found))}" if found else f"'{token}'" for token, found in places.items()
    )


def query_tokens(text: str) -> list[str]:
    """Distinct tokens of a query, the first `MOST_QUERY_TOKENS`."""
    return list(dict.fromkeys(tokens(text)))[:MOST_QUERY_TOKENS]


def tsquery(found: list[str]) -> str:
    """Any of the tokens."""
    return " | ".join(f"'{token}'" for token in found)


def pattern(token: str) -> str:
    """A regular expression that finds a token in a text in lower case: a word whole, of CJK anywhere."""
    return rf"\m{token}\M" if re.fullmatch(r"[a-z0-9]+", token) else token
