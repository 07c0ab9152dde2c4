"""What a rule is given and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudberth.deployment.document import Document, Path, Scalar
from cloudberth.deployment.facts import Facts
from cloudberth.deployment.model import DeploymentFile


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not fit together. path: where it is shown; also: other values it rests on.

    key: show it at the key instead of the value.
    """

    path: Path
    what: str
    hint: str = ""
    also: tuple[Path, ...] = ()
    key: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A whole deployment with its cloud's facts and the file it came from."""

    deployment: DeploymentFile
    facts: Facts
    document: Document

    def given(self, *path: str | int) -> bool:
        """Whether the file itself says so (not a preset or a default)."""
        return self.document.node(path) is not None

    def origin(self, *path: str | int) -> str:
        """Where a value comes from when it is not in the file: `` (from size small)``."""
        return "" if self.given(*path) else f" (from size {self.deployment.size})"

    def first_given(self, *paths: Path) -> Path:
        """The first of the paths that is in the file, else the first."""
        return next((path for path in paths if self.given(*path)), paths[0])

    def scalars(self) -> Iterator[tuple[Path, Scalar]]:
        """Every value of the file with its path."""
        return self.document.scalars()
