"""`aws_iam_policy_document`, rendered as the AWS provider renders it.

The document is what other resources store, and what review rules read, so the simulation may not invent it.
Follows the data source's documentation: statements merge by `sid`, `override_policy_documents` win over the
configured statements, `source_policy_documents` come before them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cloudberth.infra.simulation.behaviour import Unanswerable
from cloudberth.infra.simulation.values import Value

VERSION: Final = "2012-10-17"


class PolicyError(Unanswerable):
    """A document that cannot be merged, or two statements with one sid."""


def render(config: Mapping[str, Value]) -> tuple[str, str]:
    """(indented JSON, minified JSON) of a configured policy document."""
    merged: dict[str, Any] = {"Version": VERSION, "Statement": []}
    for text in config.get("source_policy_documents") or ():
        _merge(merged, _parsed(text), replace=False)
    own: dict[str, Any] = {"Statement": [_statement(item) for item in config.get("statement") or ()]}
    if config.get("version"):
        own["Version"] = config["version"]
    if config.get("policy_id"):
        own["Id"] = config["policy_id"]
    _merge(merged, own, replace=True)
    for text in config.get("override_policy_documents") or ():
        _merge(merged, _parsed(text), replace=True)
    ordered = {key: merged[key] for key in ("Version", "Id", "Statement") if key in merged}
    return json.dumps(ordered, indent=2, ensure_ascii=False), json.dumps(ordered, separators=(",", ":"))


def _parsed(text: Value) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        document = json.loads(text)
    except ValueError as error:
        raise PolicyError(f"a source or override policy document is not JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise PolicyError("a source or override policy document is not a JSON object")
    return document


def _merge(target: dict[str, Any], document: Mapping[str, Any], *, replace: bool) -> None:
    for key in ("Version", "Id"):
        if document.get(key):
            target[key] = document[key]
    statements = document.get("Statement") or []
    for statement in statements if isinstance(statements, list) else [statements]:
        sid = statement.get("Sid")
        same = [i for i, other in enumerate(target["Statement"]) if sid and other.get("Sid") == sid]
        if same and not replace:
            raise PolicyError(f'two source policy documents have a statement with the sid "{sid}"')
        if same:
            target["Statement"][same[0]] = statement
        else:
            target["Statement"].append(statement)


def _one_or_many(values: Value) -> Value:
    # A list of one is written as a plain string, longer ones in reverse order: as the provider does.
    items = [str(item) for item in values]
    return items[0] if len(items) == 1 else sorted(items, reverse=True)


def _statement(item: Mapping[str, Value]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": item["sid"]} if item.get("sid") else {}
    statement["Effect"] = item.get("effect") or "Allow"
    for argument, key in (
        ("actions", "Action"),
        ("not_actions", "NotAction"),
        ("resources", "Resource"),
        ("not_resources", "NotResource"),
    ):
        if item.get(argument):
            statement[key] = _one_or_many(item[argument])
    for argument, key in (("principals", "Principal"), ("not_principals", "NotPrincipal")):
        if item.get(argument):
            statement[key] = _principals(item[argument])
    if item.get("condition"):
        statement["Condition"] = _conditions(item["condition"])
    return statement


def _principals(items: Value) -> Value:
    grouped: dict[str, list[str]] = {}
    for item in items:
        grouped.setdefault(item["type"], []).extend(str(name) for name in item["identifiers"])
    if grouped == {"*": ["*"]}:
        return "*"
    return {kind: _one_or_many(names) for kind, names in sorted(grouped.items())}


def _conditions(items: Value) -> dict[str, Any]:
    grouped: dict[str, dict[str, list[str]]] = {}
    for item in items:
        variables = grouped.setdefault(item["test"], {})
        variables.setdefault(item["variable"], []).extend(str(value) for value in item["values"])
    return {
        test: {name: values[0] if len(values) == 1 else values for name, values in sorted(variables.items())}
        for test, variables in sorted(grouped.items())
    }


def invalid_elements(config: Mapping[str, Value]) -> Iterator[tuple[int, str, str]]:
    """(statement, argument, what is wrong) of statements that IAM would not accept."""
    for position, item in enumerate(config.get("statement") or ()):
        for one, other in (
            ("actions", "not_actions"),
            ("resources", "not_resources"),
            ("principals", "not_principals"),
        ):
            if item.get(one) and item.get(other):
                yield position, other, f"{one} and {other} cannot stand in one statement"
        if not item.get("actions") and not item.get("not_actions"):
            yield position, "actions", "a statement needs actions or not_actions"
