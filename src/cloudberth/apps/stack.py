"""What runs on the machines, as the files of the workspace's ``stack/`` folder (terraform/CONTRACT.md)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cloudberth.apps.cloud_data import cloud_data
from cloudberth.apps.compose import ONCE, Surroundings, compose_file, mirrored
from cloudberth.apps.model import GROUPS, App, Group, Queue, Service, in_group
from cloudberth.apps.references import bind
from cloudberth.apps.router import CONFIG, router_config
from cloudberth.apps.settings import Settings, settings, single_database
from cloudberth.apps.terraform_text import for_terraform
from cloudberth.apps.variables import check_ports
from cloudberth.deployment.model import Deployment
from cloudberth.environment.template import parse
from cloudberth.environment.wire import templates
from cloudberth.errors import InvalidInput

COMPOSE_IMAGE = "docker/compose-bin:v2.39.4"
"""Carries the Compose plugin (a static binary, /docker-compose): no other download site is needed."""

_ROUTER_SECONDS = 3600
"""Silence the router bears; Dify's own router has the same."""


def stack(app: App, deployment: Deployment) -> dict[str, str]:
    """Relative path → content. The same deployment always gives the same files.

    Raises InvalidInput for references that lead nowhere and values that an environment cannot carry.
    """
    chosen = settings(app, deployment)
    check_ports(app)
    router = router_config(
        app, read_seconds=_ROUTER_SECONDS, idle_seconds=deployment.access.idle_timeout_seconds
    )
    app = app.model_copy(update={"texts": {**app.texts, CONFIG: router}})
    files: dict[str, str] = {}
    for group in GROUPS:
        for name in in_group(app, group):
            files[f"{group}/env/{name}.env"] = _env_file(app, name, chosen, group)
            files |= _configs(app, name, chosen, group)
    files = {path: text for path, text in files.items() if text}
    release = _release(app, files)
    around = Surroundings(
        deployment.size,
        deployment.compute.registry_mirror,
        cloud_data(deployment.cloud)["logging"],
        frozenset(path.split("/")[2].removesuffix(".env") for path in files if "/env/" in path),
    )
    for group in GROUPS:
        files[f"{group}/compose.yaml"] = for_terraform(compose_file(app, group, around, release))
    files["stack.json"] = _index(app, around, release, _queue(app, deployment))
    return dict(sorted(files.items()))


def _env_file(app: App, name: str, chosen: Settings, group: Group) -> str:
    """``KEY=value`` lines, read as they are (Compose's raw format): no quotes, no line breaks."""
    lines = []
    for key, template in sorted(templates(app, name, chosen, group).items()):
        if any(
            "\n" in part or "\r" in part or "\0" in part for part in parse(template) if isinstance(part, str)
        ):
            raise InvalidInput(
                "an environment variable cannot hold a line break", where=f"services.{name}.env.{key}"
            )
        lines.append(f"{key}={for_terraform(template)}\n")
    return "".join(lines)


def _configs(app: App, name: str, chosen: Settings, group: Group) -> dict[str, str]:
    where = f"services.{name}.files"
    return {
        f"{group}/files/{name}/{file}": for_terraform(bind(text, app, group, chosen.values, where))
        for file, text in ((file, app.texts[file]) for file in app.services[name].files.values())
    }


def _release(app: App, files: dict[str, str]) -> str:
    """Names what the database has to be prepared for: app machines wait until exactly this has happened."""
    once = {
        name: service.model_dump(mode="json")
        for name, service in app.services.items()
        if service.runs == ONCE
    }
    theirs = {path: text for path, text in files.items() if path.split("/")[2].removesuffix(".env") in once}
    text = json.dumps([once, theirs], sort_keys=True)
    return f"{app.name}-{app.version}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _queue(app: App, deployment: Deployment) -> Queue | None:
    """The application's lists where they are: in their own database, or behind the prefix of its keys."""
    if app.queue is None or deployment.app == "custom" or not single_database(deployment):
        return app.queue
    return app.queue.model_copy(update={"database": 0, "prefix": f"{app.name}:"})


def _index(app: App, around: Surroundings, release: str, queue: Queue | None) -> str:
    document = {
        "release": release,
        "images": sorted({mirrored(service.image, around.mirror) for service in app.services.values()}),
        "queue": queue.model_dump(mode="json") if queue else None,
        "groups": {group: _group(in_group(app, group), around) for group in GROUPS},
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _group(services: dict[str, Service], around: Surroundings) -> dict[str, Any]:
    """once, services, drain: names in order. owners: file of the group → uid:gid. volumes: name → uid:gid.

    drain: background workers that get time to finish when a spot machine is taken away.
    """
    return {
        "once": [name for name, service in services.items() if service.runs == ONCE],
        "services": [name for name, service in services.items() if service.runs != ONCE],
        "drain": [name for name, service in services.items() if service.runs == "many" and not service.port],
        "compose_image": mirrored(COMPOSE_IMAGE, around.mirror),
        "owners": {
            f"files/{name}/{file}": service.user
            for name, service in services.items()
            for file in service.files.values()
            if service.user
        },
        "volumes": {
            v.name: v.owner for service in services.values() for v in service.volumes if v.persistent
        },
    }
