"""Queries of Tablestore's search indexes, and what of a filter they evaluate.

Records of ours have a list of facts (_search_facts.py), one a field and value, in the order of values: one
indexed list of keywords answers every operator. Dify writes a list of tags ``field=value`` instead, where the
kind of a value is lost: of its records the index tells which have a text, and the rest is compared here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloudberth.vector import _search_facts as facts
from cloudberth.vector._tablestore_messages import Message, encode
from cloudberth.vector._tablestore_rows import Value, value
from cloudberth.vector.contract import DOC_ID
from cloudberth.vector.filters import And, Compare, Filter, Operator, Or

# Ours, of records that Dify did not write; and Dify's.
FACTS = "cloudberth"
TAGS = "metadata_tags"
# A list has at most so many members, a keyword so many bytes (4 KB), and a list of terms so many.
MOST_MEMBERS = 256
_LONGEST_KEYWORD = 3000
_LONGEST_TAG = 1000
_MOST_TERMS = 1024
# Whose values Dify writes as texts, always: a tag of these says all.
_ALWAYS_TEXT = frozenset({DOC_ID, "document_id", "dataset_id"})
_MATCH, _TERM, _RANGE, _BOOL, _MATCH_ALL, _TERMS, _EXISTS, _KNN = 1, 3, 4, 6, 11, 15, 16, 17


def _query(kind: int, message: str, given: Mapping[str, Any]) -> Message:
    return {"type": kind, "query": encode(message, given)}


ALL = _query(_MATCH_ALL, "MatchAllQuery", {})


def term(field: str, given: Value) -> Message:
    return _query(_TERM, "TermQuery", {"field_name": field, "term": value(given)})


def terms(field: str, given: Sequence[Value]) -> Message:
    """Any of these values."""
    parts = [
        _query(
            _TERMS,
            "TermsQuery",
            {"field_name": field, "terms": [value(one) for one in given[start : start + _MOST_TERMS]]},
        )
        for start in range(0, len(given), _MOST_TERMS)
    ]
    return parts[0] if len(parts) == 1 else some(parts)


def exists(field: str) -> Message:
    return _query(_EXISTS, "ExistsQuery", {"field_name": field})


def every(parts: Iterable[Message]) -> Message:
    """All of these."""
    return _query(_BOOL, "BoolQuery", {"filter_queries": list(parts) or [ALL]})


def some(parts: Iterable[Message]) -> Message:
    """At least one of these."""
    given = list(parts)
    return (
        _query(_BOOL, "BoolQuery", {"should_queries": given, "minimum_should_match": 1}) if given else no(ALL)
    )


def no(part: Message) -> Message:
    """All but these."""
    return _query(_BOOL, "BoolQuery", {"must_not_queries": [part], "filter_queries": [ALL]})


def words(field: str, text: str, condition: Message | None) -> Message:
    """Any of the words, best first by their rarity."""
    match = _query(_MATCH, "MatchQuery", {"field_name": field, "text": text})
    given = {"must_queries": [match], "filter_queries": [condition] if condition else []}
    return _query(_BOOL, "BoolQuery", given)


def nearest(field: str, vector: Sequence[float], k: int, condition: Message | None) -> Message:
    given = {"field_name": field, "top_k": k, "float32_query_vector": vector, "filter": condition}
    return _query(_KNN, "KnnVectorQuery", given)


UNMARKED = no(exists(FACTS))


def facts_of(metadata: Mapping[str, Any]) -> list[str]:
    """The facts of a record, each short enough for a keyword."""
    return [_short(one) for one in facts.facts_of(metadata)]


def tags_of(metadata: Mapping[str, Any]) -> list[str]:
    """The tags of a record, as Dify writes them; without those that no keyword holds."""
    tags = (f"{name}={given}" for name, given in metadata.items())
    return [tag for tag in tags if len(tag.encode()) <= _LONGEST_KEYWORD]


def condition_of(filter: Filter | None, *, dify: bool, mixed: bool) -> tuple[Message | None, bool]:
    """What holds wherever a filter does, and whether it says exactly the same; None holds for all.

    dify: the index has tags only. mixed: Dify wrote some of the records.
    """
    if filter is None:
        return None, True
    if not dify and not mixed:
        return translated(facts.query_of(filter)), True
    tagged, is_all = _tagged(filter)
    if dify:
        return tagged, is_all
    theirs = every([UNMARKED, tagged]) if tagged else UNMARKED
    ours = every([exists(FACTS), translated(facts.query_of(filter))])
    return some([ours, theirs]), is_all


def translated(query: facts.Query) -> Message:
    """A query over facts, as _search_facts.py makes it, in messages of this store."""
    ((kind, given),) = query.items()
    if kind == "match_all":
        return ALL
    if kind == "match_none":
        return no(ALL)
    if kind == "term":
        return term(FACTS, _short(given[facts.FACTS]))
    if kind == "terms":
        return terms(FACTS, [_short(one) for one in given[facts.FACTS]])
    if kind == "range":
        return _range(given[facts.FACTS])
    if "must_not" in given:
        return no(some(map(translated, given["must_not"])))
    parts = map(translated, given.get("filter") or given["should"])
    return every(parts) if "filter" in given else some(parts)


def _range(limits: Mapping[str, str]) -> Message:
    given: Message = {"field_name": FACTS}
    for sign, limit in limits.items():
        side, including = ("range_from", "include_lower") if sign[0] == "g" else ("range_to", "include_upper")
        given[side] = value(_short(limit))
        given[including] = sign.endswith("e")
    return _query(_RANGE, "RangeQuery", given)


def _short(fact: str) -> str:
    """Equal where the whole is equal; in order as far as the first bytes tell it."""
    data = fact.encode()
    if len(data) <= _LONGEST_KEYWORD:
        return fact
    return data[:_LONGEST_KEYWORD].decode(errors="ignore") + hashlib.sha256(data).hexdigest()


def _tagged(filter: Filter) -> tuple[Message | None, bool]:
    match filter:
        case And(parts):
            each = [_tagged(part) for part in parts]
            known = [query for query, _ in each if query]
            return (every(known) if known else None), all(is_all for _, is_all in each)
        case Or(parts) if parts:
            each = [_tagged(part) for part in parts]
            known = [query for query, _ in each if query]
            if len(known) < len(each):
                return None, False
            return some(known), all(is_all for _, is_all in each)
        case Compare(field, Operator.EQ | Operator.IN, _) if filter.values:
            tags = [f"{field}={one}" for one in filter.values if isinstance(one, str)]
            if len(tags) == len(filter.values) and all(len(tag.encode()) <= _LONGEST_TAG for tag in tags):
                return terms(TAGS, tags), field in _ALWAYS_TEXT
    return None, False
