"""The reference page of vector stores is what the code says."""

from __future__ import annotations

from pathlib import Path

from cloudberth.vector import documentation
from cloudberth.vector.registry import BACKENDS, backend_class

PAGE = Path(__file__).parents[2] / documentation.FILE


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == documentation.page(), (
        "write it again: python -m cloudberth.vector.documentation"
    )


def test_every_type_tells_what_it_was_tested_against() -> None:
    for type_id in BACKENDS:
        assert backend_class(type_id).__doc__, type_id


def test_no_secret_may_stand_in_a_location() -> None:
    for type_id in BACKENDS:
        settings = backend_class(type_id).settings
        assert not settings.secret_fields() & set(settings.parts.values()), type_id


def test_types_and_schemes_are_those_of_the_registry_in_order() -> None:
    assert list(BACKENDS) == sorted(BACKENDS)
