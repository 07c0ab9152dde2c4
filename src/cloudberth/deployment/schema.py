"""JSON Schema of deployment files (draft 2020-12), for editors: completion, texts, and the first mistakes.

A file of a platform on this machine (``cloud: local``) has keys of its own, so that this word decides which
keys there are. What it refuses `load` refuses as well, but for two liberties of `load`: a key with nothing
behind it counts as left out, and a bare number may stand for any text. Rules between sections are checked by
`load` alone.
``schema.json`` beside this file is what `json_schema` returns.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from cloudberth.deployment.facts import facts, vector_stores
from cloudberth.deployment.loader import LOCAL
from cloudberth.deployment.local import LocalPlatform
from cloudberth.deployment.model import CustomFile, DifyFile
from cloudberth.deployment.sizes import SIZES, preset

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = {
    "type": "string",
    "pattern": r"\$\{[A-Z_][A-Z0-9_]*(:-[^}]*)?\}",
    "description": "A value from the environment of whoever runs berth: ${NAME} or ${NAME:-fallback}.",
}
_REFERENCE_TO_VARIABLE = {"$ref": "#/$defs/variable"}
_ANCHORS = {"^x-": {"description": "Anything; a place for anchors that other keys repeat."}}
_VALUES = ("default", "examples", "enum", "const", "required")
_ANNOTATIONS = ("description", "default", "examples", "unit")


def json_schema() -> Schema:
    """The schema of the whole file, whatever it is about."""
    cloud = cloud_schema()
    definitions = {**cloud.pop("$defs"), "DeploymentFile": cloud, "LocalPlatform": _local_schema()}
    # Reached by whatever is not `cloud: local`; so that editors offer it, and name it beside the others.
    cloud["properties"]["cloud"]["anyOf"][0]["enum"].append(LOCAL)
    return {
        "$schema": DIALECT,
        "title": "Cloudberth deployment file",
        "type": "object",
        "if": {"properties": {"cloud": {"const": LOCAL}}, "required": ["cloud"]},
        "then": {"$ref": "#/$defs/LocalPlatform"},
        "else": {"$ref": "#/$defs/DeploymentFile"},
        "$defs": dict(sorted(definitions.items())),
    }


def cloud_schema() -> Schema:
    """The schema of a file for a cloud, with the definitions of its sections."""
    dify, custom = (model.model_json_schema() for model in (DifyFile, CustomFile))
    root: Schema = {**dify, "$defs": {**custom["$defs"], **dify["$defs"]}}
    services = {"dify": dify["properties"]["services"], "custom": custom["properties"]["services"]}
    root["properties"]["services"] = {"description": services["custom"]["description"]}
    _shorthand(root)
    _sizes(root)
    _closed_lists(root)
    root = _tidy(root)
    root["$defs"]["variable"] = _VARIABLE
    root["required"] = ["name", "app", "cloud", "region"]
    root["patternProperties"] = _ANCHORS
    root["allOf"] = [_by_app(app, {key: _tidy(value) for key, value in services.items()}) for app in services]
    return root


def _local_schema() -> Schema:
    """The schema of a file for this machine."""
    found: Schema = {**_tidy(LocalPlatform.model_json_schema()), "patternProperties": _ANCHORS}
    # What stands there is looked at before variables are filled in.
    found["properties"]["cloud"] = {
        "description": found["properties"]["cloud"]["description"],
        "const": LOCAL,
    }
    return found


def _by_app(app: str, services: Mapping[str, Schema]) -> Schema:
    """What `services` holds depends on what runs."""
    then: Schema = {"properties": {"services": services[app]}}
    if app == "custom":
        then["required"] = ["services"]
    return {"if": {"properties": {"app": {"const": app}}, "required": ["app"]}, "then": then}


def _shorthand(root: Schema) -> None:
    """Resources of an own service may be those of the deployment's size, without naming the size."""
    resources = {"$ref": "#/$defs/Resources"}
    by_size = {
        "type": "object",
        "properties": dict.fromkeys(SIZES, resources),
        "additionalProperties": False,
        "minProperties": 1,
    }
    root["$defs"]["Service"]["properties"]["resources"] = {
        "description": "Upper limits of CPU and memory: those at the deployment's size, or by size.",
        "examples": [{"cpu": 1, "memory_mb": 1024}],
        "anyOf": [resources, by_size],
    }


def _sizes(root: Schema) -> None:
    """What the size presets give is not required, and its defaults stand in the text."""
    for path, defaults in size_defaults().items():
        owner = _section(root, path[:-1])
        _not_required(owner, path[-1])
        field = owner["properties"][path[-1]]
        shown = ", ".join(f"{size} {_shown(value)}" for size, value in defaults.items())
        field["description"] = f"{field.get('description', '')} Default by size: {shown}."


@cache
def size_defaults() -> Mapping[tuple[str, ...], Mapping[str, Any]]:
    """Path → size → default, for everything that a size sets."""
    presets = {size: preset("aws", size) for size in SIZES}
    paths = sorted({path for values in presets.values() for path in _paths(values)})
    found = {path: {size: _at(presets[size], path) for size in SIZES} for path in paths}
    return {path: {size: v for size, v in values.items() if v is not None} for path, values in found.items()}


def _paths(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all values, and of the sections they stand in."""
    found: list[tuple[str, ...]] = []
    for key, value in values.items():
        found += _paths(value, (*path, key)) if isinstance(value, Mapping) else [(*path, key)]
    return found


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _not_required(owner: Schema, name: str) -> None:
    left = [each for each in owner.pop("required", []) if each != name]
    if left:
        owner["required"] = left


def _section(root: Schema, path: tuple[str, ...]) -> Schema:
    """The object that describes a section; the sections on the way are not required any more."""
    found = root
    for key in path:
        _not_required(found, key)
        field = found["properties"][key]
        options = [field, *field.get("anyOf", [])]
        name = next(option["$ref"] for option in options if "$ref" in option).rpartition("/")[2]
        found = root["$defs"][name]
    return found


def _closed_lists(root: Schema) -> None:
    """Values that only the cloud's facts know."""
    every = [facts(cloud) for cloud in root["properties"]["cloud"]["enum"]]
    root["properties"]["region"]["enum"] = _together(known.regions for known in every)
    definitions = root["$defs"]
    definitions["Logs"]["properties"]["retention_days"]["maximum"] = max(
        known.retention_days[-1] for known in every
    )
    definitions["Network"]["properties"]["endpoints"]["items"]["enum"] = _together(
        known.endpoints for known in every
    )
    definitions["Storage"]["properties"]["type"]["enum"] = _together(known.storage_types for known in every)
    definitions["Vector"]["properties"]["store"]["enum"] = sorted(vector_stores())
    definitions["Cache"]["properties"]["version"]["examples"] = _together(
        known.cache_versions for known in every
    )


def _together(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """What stands in any of the lists, each once, in the order of the clouds."""
    return list(dict.fromkeys(value for values in lists for value in values))


def _tidy(schema: Any, key: str = "") -> Any:
    """Texts on one line, no titles of the generator's making, variables wherever a plain value stands."""
    if isinstance(schema, list):
        return [_tidy(item, key) for item in schema]
    if not isinstance(schema, dict):
        return schema
    named = key in ("properties", "$defs", "patternProperties")
    result = {
        name: value if name in _VALUES and not named else _tidy(value, key if name == "anyOf" else name)
        for name, value in schema.items()
        if named or name != "title"
    }
    if named:
        return result
    if isinstance(result.get("description"), str):
        result["description"] = " ".join(result["description"].split())
    if "patternProperties" in result:
        result.setdefault("additionalProperties", False)
    return _as_written(result, key)


def _as_written(schema: Schema, key: str) -> Schema:
    """A plain value may be a variable; text may be written as a bare number."""
    kind = schema.get("type")
    if kind == "string" and not {"enum", "const", "pattern"} & schema.keys():
        if key in ("additionalProperties", "items", "version"):
            schema["type"] = ["string", "number", "boolean"]
        return schema
    if kind not in ("string", "integer", "number", "boolean") and "enum" not in schema:
        return schema
    outer = {name: schema.pop(name) for name in _ANNOTATIONS if name in schema}
    return {**outer, "anyOf": [schema, _REFERENCE_TO_VARIABLE]}


def schema_text() -> str:
    """The content of ``schema.json``."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
