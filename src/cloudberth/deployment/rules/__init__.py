"""Rules between sections, and between the file and what the cloud has.

Each rule is a function from a whole deployment to what is wrong with it. A rule is asked even when other
parts of the file are broken: these are then as if they had been left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cloudberth.deployment.rules import compute, network, operations, secrets, services, stores
from cloudberth.deployment.rules.rule import Fault, Question

Rule = Callable[[Question], Iterator[Fault]]

RULES: tuple[Rule, ...] = (
    *network.RULES,
    *compute.RULES,
    *stores.RULES,
    *operations.RULES,
    *secrets.RULES,
    *services.RULES,
)


def faults(question: Question) -> Iterator[Fault]:
    """Everything that the rules have to say about a deployment."""
    for rule in RULES:
        yield from rule(question)


__all__ = ["RULES", "Fault", "Question", "Rule", "faults", "network"]
