"""Which backends a role has: one sorted line each; a module is loaded when its backend is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cloudberth.errors import InvalidInput

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """The backends of one role.

    role: for people ("storage type"). variable: the setting that chooses one. group: of the entry points
    through which other distributions add backends (name: the type, value: ``module:Class``). backends: type →
    ``module:Class``.
    """

    role: str
    variable: str
    group: str
    backends: Mapping[str, str]

    def types(self) -> tuple[str, ...]:
        """Every type, those of other distributions included, sorted."""
        return tuple(sorted({*self.backends, *(point.name for point in self._entry_points())}))

    def load(self, type_id: str) -> type[T]:
        """The class of a type. Raises InvalidInput for an unknown type, or when its extra is missing."""
        reference = self.backends.get(type_id)
        if reference is None:
            for point in self._entry_points():
                if point.name == type_id:
                    reference = point.value
        if reference is None:
            raise InvalidInput(
                f"there is no {self.role} {type_id!r}",
                where=self.variable,
                hint=f"there are: {', '.join(self.types())}",
            )
        module, _, name = reference.partition(":")
        found: Any = getattr(import_module(module), name)
        return found  # type: ignore[no-any-return]

    def _entry_points(self) -> EntryPoints:
        # Late: reading what is installed takes longer than opening a backend.
        from importlib import metadata

        return metadata.entry_points(group=self.group)
