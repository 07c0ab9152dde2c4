"""Where applications come from: release files (``<app>/<version>.yaml``) and a deployment file's services.

A release file may extend an earlier one: mappings are merged, lists and texts replaced, ``null`` removes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cloudberth.apps.database_setup import NAME as SETUP
from cloudberth.apps.database_setup import SCRIPT, setup_script, setup_service
from cloudberth.apps.model import App
from cloudberth.apps.references import from_user
from cloudberth.apps.router import CONFIG, router_service
from cloudberth.deployment.model import Deployment, Service, ServiceOverride
from cloudberth.errors import InvalidInput

_FOLDER = Path(__file__).parent


def versions(app: str) -> tuple[str, ...]:
    """The releases of an application that can be deployed, newest last; empty when there is no such."""
    names = [path.stem for path in (_FOLDER / app).glob("*.yaml")] if app.isidentifier() else []
    return tuple(sorted(names, key=_number))


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def app(name: str, version: str | None = None) -> App:
    """An application at a release (default: the newest).

    Raises InvalidInput for a release that is not in the catalog.
    """
    known = versions(name)
    if not known:
        raise InvalidInput(f"there is no application {name!r}", hint="known: dify, custom")
    wanted = version or known[-1]
    if wanted not in known:
        close = difflib.get_close_matches(wanted, known, 1, 0.6)
        raise InvalidInput(
            f"release {wanted!r} of {name} is not known",
            where="version",
            hint=(f"did you mean {close[0]}? " if close else "") + "known: " + ", ".join(known),
        )
    return App.model_validate(_with_database_setup(_release(name, wanted)))


@cache
def _release(name: str, version: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(
        (_FOLDER / name / f"{version}.yaml").read_text(encoding="utf-8")
    )
    base = document.pop("extends", None)
    if base:
        document = merged(_release(name, base), document)
    texts = {
        path.name: path.read_text(encoding="utf-8") for path in sorted((_FOLDER / name / "files").iterdir())
    }
    return document | {"version": version, "texts": texts | {CONFIG: ""}}


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping changed by another: mappings merged, everything else replaced, ``None`` removes the key."""
    result = dict(base)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def app_of(deployment: Deployment) -> App:
    """What a deployment runs: a release with the file's changes, or the file's own services.

    Raises InvalidInput, with the place in the file, for what does not fit together.
    """
    if deployment.app == "custom":
        return _custom(deployment)
    release = app(deployment.app, deployment.version)
    document = release.model_dump(exclude_unset=True)
    for name, change in deployment.overrides.items():
        if name not in document["services"]:
            close = difflib.get_close_matches(name, document["services"], 1, 0.6)
            raise InvalidInput(
                f"{release.name} {release.version} has no service {name!r}",
                where=f"services.{name}",
                hint=f"did you mean {close[0]}?" if close else "it has: " + ", ".join(document["services"]),
            )
        document["services"][name] = _changed(document["services"][name], change)
    document["max_body_mb"] = deployment.access.max_body_mb or release.max_body_mb
    return _validated(document)


def _changed(service: Mapping[str, Any], change: ServiceOverride) -> dict[str, Any]:
    result = dict(service)
    if change.image:
        result["image"] = change.image
    if change.resources:
        result["resources"] = change.resources.model_dump()
    result["env"] = {
        **service.get("env", {}),
        **{name: from_user(value) for name, value in change.env.items()},
    }
    return result


def _custom(deployment: Deployment) -> App:
    services = {name: _own(service) for name, service in deployment.own_services.items()}
    database, vector = deployment.database, deployment.vector.store == "pgvector"
    document = {
        "name": deployment.name,
        "version": deployment.version or "1",
        "services": {"router": router_service()} | services,
        "databases": (database.names or (deployment.name.replace("-", "_"),)) if database else (),
        "extensions": tuple(dict.fromkeys((*database.extensions, *(("vector",) if vector else ()))))
        if database
        else (),
        "secrets": {name: secret.model_dump() for name, secret in deployment.secrets.items()},
        "queue": deployment.queue.model_dump() if deployment.queue else None,
        "networks": _networks(deployment.own_services),
        "texts": {CONFIG: ""},
        "max_body_mb": deployment.access.max_body_mb or 100,
    }
    return _validated(_with_database_setup(document))


def _own(service: Service) -> dict[str, Any]:
    values = service.model_dump(exclude_unset=True)
    env = {name: from_user(value) for name, value in service.env.items()}
    return values | {"env": env, "extra_env": True}


def _networks(services: Mapping[str, Service]) -> dict[str, str]:
    """A network that a user's service names exists; one called ``isolated…`` has no way out."""
    names = dict.fromkeys(network for service in services.values() for network in service.networks)
    return {"default": "open"} | {
        name: "isolated" if name.startswith("isolated") else "open" for name in names
    }


def _with_database_setup(document: Mapping[str, Any]) -> dict[str, Any]:
    """The step that makes the databases comes before all others."""
    if not document["databases"]:
        return dict(document)
    script = setup_script(document["databases"], document["extensions"])
    return {
        **document,
        "services": {SETUP: setup_service()} | document["services"],
        "texts": document["texts"] | {SCRIPT: script},
    }


def _validated(document: Mapping[str, Any]) -> App:
    try:
        return App.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(what, where=place or "services") from None
