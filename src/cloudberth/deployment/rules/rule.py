"""What a rule is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from cloudberth.deployment.document import Document, Path
from cloudberth.deployment.facts import Facts
from cloudberth.deployment.model import Deployment


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not fit together. path: where it is shown; also: other values it rests on."""

    path: Path
    what: str
    hint: str = ""
    also: tuple[Path, ...] = ()
    key: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A whole deployment with its cloud's facts and the file it came from."""

    deployment: Deployment
    facts: Facts
    document: Document

    def given(self, path: Path) -> bool:
        """Whether the file itself says so (not a preset or default)."""
        return self.document.node(path) is not None
