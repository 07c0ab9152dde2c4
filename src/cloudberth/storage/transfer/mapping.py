"""What stands beside the bytes, from one vendor to another: carried over as it is, classes by their tier.

What the destination has no place for is named, never dropped in silence.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from cloudberth.storage.contract import Attributes, Capabilities, StorageClass

# What stores answer for an object that was written without a type.
UNTYPED = frozenset({None, "", "application/octet-stream", "binary/octet-stream"})
_HEADERS = ("content_type", "cache_control", "content_disposition", "content_encoding", "content_language")


class AttributeMapping:
    """From the attributes at the source to those at the destination. Pure."""

    def __init__(self, source: Capabilities, target: Capabilities) -> None:
        self._target = target
        self._tiers = tiers(source)
        self._class = lru_cache(64)(self._class_of)

    def __call__(self, attributes: Attributes) -> tuple[Attributes, tuple[str, ...]]:
        """The attributes to write, and words for what is lost."""
        if not attributes.metadata and attributes.storage_class is None and self._target.attributes:
            return attributes, ()
        lost: list[str] = []
        name, remark = self._class(attributes.storage_class)
        if remark:
            lost.append(remark)
        kept = replace(attributes, storage_class=name)
        if attributes.metadata and not self._target.metadata:
            lost.append("metadata " + ", ".join(sorted(attributes.metadata)))
            kept = replace(kept, metadata={})
        if not self._target.attributes:
            lost += [name.replace("_", " ") for name in _HEADERS if getattr(attributes, name) not in UNTYPED]
            kept = Attributes(metadata=kept.metadata, storage_class=kept.storage_class)
        return kept, tuple(lost)

    def _class_of(self, name: str | None) -> tuple[str | None, str]:
        if name is None:
            return None, ""
        tier = self._tiers.get(name)
        if tier is not None and tier in self._target.classes:
            return self._target.classes[tier], ""
        if tier is StorageClass.STANDARD:
            return None, ""
        return None, f"storage class {name}" + (f" ({tier.value})" if tier else "")


def tiers(capabilities: Capabilities) -> dict[str, StorageClass]:
    """Tier by the vendor's name of it."""
    return {name: tier for tier, name in capabilities.classes.items()}


def attribute_differences(
    one: Attributes,
    one_tiers: dict[str, StorageClass],
    other: Attributes,
    other_tiers: dict[str, StorageClass],
) -> tuple[str, ...]:
    """Names of the attributes that differ. No type and the type of unknown bytes count as one, no class as
    standard.
    """
    found = [
        name.replace("_", " ")
        for name in _HEADERS
        if getattr(one, name) != getattr(other, name)
        and not {getattr(one, name), getattr(other, name)}
        <= (UNTYPED if name == "content_type" else {None, ""})
    ]
    for name in sorted({*one.metadata, *other.metadata}):
        if one.metadata.get(name) != other.metadata.get(name):
            found.append(f"metadata {name}")
    if _tier(one.storage_class, one_tiers) != _tier(other.storage_class, other_tiers):
        found.append("storage class")
    return tuple(found)


def _tier(name: str | None, known: dict[str, StorageClass]) -> StorageClass | str:
    return StorageClass.STANDARD if name is None else known.get(name, name)
