"""Rules between sections, and between the file and what the cloud has. Each is a function from a whole deployment to faults."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.deployment.rules.rule import Fault, Question

__all__ = ["Fault", "Question", "faults"]


def faults(question: Question) -> Iterator[Fault]:
    """Everything that the rules have to say about a deployment."""
    for rule in ():
        yield from rule(question)
