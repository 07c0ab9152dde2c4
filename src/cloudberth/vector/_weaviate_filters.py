"""Filters that facets answer, in Weaviate's own words."""

from __future__ import annotations

from typing import Any

from cloudberth.vector import _weaviate_rows as rows
from cloudberth.vector.filters import And, Compare, Filter, Or


def condition(filter: Filter, maker: Any) -> Any:
    """maker: the library's `Filter`. Of filters for which `rows.is_positive` holds."""
    match filter:
        case And(parts):
            return maker.all_of([condition(part, maker) for part in parts])
        case Or(parts):
            return maker.any_of([condition(part, maker) for part in parts])
        case Compare():
            return maker.by_property(rows.FACETS).contains_any(rows.words_of(filter))
    raise TypeError(f"{filter!r} is no filter that facets answer")
