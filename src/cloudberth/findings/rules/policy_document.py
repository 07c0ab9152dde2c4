"""Statements of an AWS policy (IAM, bucket, trust): from its JSON text, or from the document behind it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudberth.findings.context import Context
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    principals: ``("*",)`` for everybody; services and accounts as they are written. inverted: it names what
    it does not cover (NotAction, NotResource, NotPrincipal).
    """

    allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[str, ...]
    conditions: Mapping[str, Any]
    inverted: bool

    @property
    def for_everybody(self) -> bool:
        return "*" in self.principals


def statements_of(resource: Resource, attribute: str, context: Context) -> Iterator[Statement]:
    """The statements of a resource's policy.

    Before the first apply the text is mostly unknown, because it names ARNs that do not exist yet; then the
    policy document that the configuration takes it from says what is allowed, with the unknown ARNs left out.
    """
    node = at(resource, attribute)
    yield from statements(node)
    if node.unknown:
        for document in context.data_of_type("aws_iam_policy_document"):
            if context.refers(resource, document):
                yield from (_written(block) for block in blocks(document, "statement"))


def _written(block: Node) -> Statement:
    effect = block.at("effect")
    principals = (p for entry in block.at("principals").children() for p in entry.at("identifiers").texts)
    return Statement(
        allow=effect.absent or effect.text == "Allow",
        actions=block.at("actions").texts,
        resources=block.at("resources").texts,
        principals=tuple(principals),
        conditions={entry.at("variable").text: entry.value for entry in block.at("condition").children()},
        inverted=any(
            not block.at(name).absent for name in ("not_actions", "not_resources", "not_principals")
        ),
    )


def statements(node: Node) -> Iterator[Statement]:
    """The statements of a policy text; none where it is unknown, absent or not a policy."""
    try:
        document = json.loads(node.text) if node.known else {}
    except ValueError:
        return
    entries = document.get("Statement", ()) if isinstance(document, Mapping) else ()
    for entry in entries if isinstance(entries, list) else (entries,):
        if isinstance(entry, Mapping):
            yield _statement(entry)


def _statement(entry: Mapping[str, Any]) -> Statement:
    conditions = entry.get("Condition")
    return Statement(
        allow=entry.get("Effect") == "Allow",
        actions=_texts(entry.get("Action")),
        resources=_texts(entry.get("Resource")),
        principals=tuple(_principals(entry.get("Principal"))),
        conditions=conditions if isinstance(conditions, Mapping) else {},
        inverted=any(name in entry for name in ("NotAction", "NotResource", "NotPrincipal")),
    )


def requires_tls(node: Node) -> bool:
    """Whether a policy refuses everybody who comes without TLS."""
    for statement in statements(node):
        pairs = (_texts_of(statement.conditions.get(name)) for name in ("Bool", "BoolIfExists"))
        plain = any(pair.get("aws:securetransport") == "false" for pair in pairs)
        if not statement.allow and plain and (statement.for_everybody or statement.inverted):
            return True
    return False


def _texts_of(condition: Any) -> dict[str, str]:
    if not isinstance(condition, Mapping):
        return {}
    return {str(name).lower(): "".join(_texts(value)).lower() for name, value in condition.items()}


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    entries: Iterable[Any] = value if isinstance(value, list) else (value,)
    return tuple(str(entry) for entry in entries)


def _principals(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for entry in value.values():
            yield from _texts(entry)
    else:
        yield from _texts(value)
