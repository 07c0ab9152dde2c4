"""What a cloud's folder says about its resource types: drawn by name alone, a setting, or the ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cloudberth.infra.diagram.model import Place, Role, Tier


@dataclass(frozen=True, slots=True)
class Kind:
    """A type that is drawn from its name alone. tier: where it stands when its subnets do not tell."""

    title: str
    role: Role
    place: Place = Place.REGION
    tier: Tier | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """kinds: types that need no special knowledge. settings: prefix of a type that is not drawn itself → what
    to call it in the note under the picture, the first that fits. ground: types that are the frames.
    sizes: attributes that hold a machine type.
    """

    kinds: Mapping[str, Kind]
    settings: tuple[tuple[str, str], ...]
    ground: frozenset[str]
    sizes: tuple[str, ...]

    def setting(self, kind: str) -> str:
        """What to call a type that is not drawn; ``""`` where this cloud's folder does not know it."""
        return next((words for prefix, words in self.settings if kind.startswith(prefix)), "")
