"""The Compose file of a machine group: what is on the machine, and how it is contained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from cloudberth.apps.model import App, Group, Health, Resources, Service, Size, in_group
from cloudberth.environment.template import Reference, parse, write
from cloudberth.errors import InvalidInput

RUN = "/run/cloudberth"
"""Where boot.py writes what it has filled in; memory, gone after a reboot."""
VOLUMES = "/data/volumes"
"""Persistent volumes, on the data disk of the stateful machine."""
ONCE = "once"
"""Compose profile of the one-shot steps; `up` does not start them."""

_HEAD = """\
# Services of the {group} machines ({release}). Rendered by berth; filled in by Terraform (facts) and, when a
# machine starts, by boot.py (secrets, which go to {run}/env).
"""


class _Indented(yaml.SafeDumper):
    """Lists stand under their key, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the cloud and the deployment add.

    mirror: registry put before every image. logging: driver and options. with_env: services with an env file.
    """

    size: Size
    mirror: str | None
    logging: Mapping[str, Any]
    with_env: frozenset[str]


def compose_file(app: App, group: Group, around: Surroundings, release: str) -> str:
    """The file as a template: facts are its only references, secrets are in env files."""
    services = in_group(app, group)
    document: dict[str, Any] = {
        "name": "cloudberth",
        "services": {name: _service(app, name, around) for name in services},
        "networks": _networks(app, services.values()),
    }
    volumes = {
        volume.name: _volume(volume.name, volume.persistent)
        for s in services.values()
        for volume in s.volumes
    }
    if volumes:
        document["volumes"] = volumes
    text = yaml.dump(
        _literal_dollars(document), Dumper=_Indented, sort_keys=False, width=1000, allow_unicode=True
    )
    return _HEAD.format(group=group, release=release, run=RUN) + text


def _service(app: App, name: str, around: Surroundings) -> dict[str, Any]:
    service = app.services[name]
    once = service.runs == "once"
    values: dict[str, Any] = {
        "image": mirrored(service.image, around.mirror),
        "entrypoint": list(service.entrypoint),
        "command": list(service.command),
        "user": service.user,
        "profiles": [ONCE] if once else [],
        "env_file": [{"path": f"{RUN}/env/{name}.env", "format": "raw"}] if name in around.with_env else [],
        "ports": [f"{service.port}:{service.port}"] if service.port and published(app, name) else [],
        "networks": list(service.networks),
        "volumes": [*_files(name, service), *_mounts(service)],
        "tmpfs": list(service.tmpfs),
        "depends_on": {other: {"condition": _condition(app.services[other])} for other in service.after},
        "healthcheck": _healthcheck(service),
        # Not unless-stopped: after a reboot boot.py mounts disks and reads secrets before anything may start.
        "restart": "no" if once else "on-failure",
        "stop_grace_period": f"{service.stop_seconds}s",
        **_limits(app, service, service.resources[around.size]),
        "read_only": service.read_only,
        "cap_drop": ["ALL"] if service.capabilities is not None else [],
        "cap_add": list(service.capabilities or ()),
        "security_opt": ["no-new-privileges:true"],
        "logging": _logging(name, around.logging),
    }
    return {key: value for key, value in values.items() if value not in (None, [], {}, False)}


def mirrored(image: str, mirror: str | None) -> str:
    """An image by the name under which a mirror of Docker Hub has it; images of other registries stay."""
    registry, slash, _ = image.partition("/")
    if not mirror or (slash and ("." in registry or ":" in registry or registry == "localhost")):
        return image
    return f"{mirror.rstrip('/')}/{image if slash else 'library/' + image}"


def published(app: App, name: str) -> bool:
    """Whether a service has a port on its machine: the router, and what app machines call on the other."""
    return name == "router" or crosses(app, name)


def crosses(app: App, name: str) -> bool:
    """Whether containers of app machines call this service on the stateful machine."""
    if app.services[name].runs != "one":
        return False
    if app.services[name].routes:
        return True
    texts = (text for other, service in in_group(app, "app").items() for text in _texts(app, service))
    return any(r.path == f"service.{name}" for text in texts for r in parse(text) if isinstance(r, Reference))


def _texts(app: App, service: Service) -> Iterable[str]:
    yield from service.env.values()
    for include in service.include:
        stem = include.partition("{")[0]
        for group, values in app.shared_env.items():
            if group == include or (stem != include and group.startswith(stem)):
                yield from values.values()
    yield from (app.texts[file] for file in service.files.values())


def _condition(service: Service) -> str:
    if service.runs == "once":
        return "service_completed_successfully"
    return "service_healthy" if service.health else "service_started"


def _limits(app: App, service: Service, resources: Resources) -> dict[str, Any]:
    foreign = all(app.networks[network] == "isolated" for network in service.networks)
    limits: dict[str, Any] = {
        "mem_limit": f"{resources.memory_mb}m",
        "cpu_shares": max(2, round(resources.cpu * 1024)),
        # Docker's default may be a billion, for which some programs (squid) reserve memory.
        "ulimits": {"nofile": {"soft": 65536, "hard": 65536}},
    }
    # Foreign code gets a hard share, so that it cannot slow down what runs beside it.
    return limits | ({"cpus": min(resources.cpu, 1.0), "pids_limit": 2048} if foreign else {})


def _healthcheck(service: Service) -> dict[str, Any] | None:
    health = service.health
    if health is None:
        return None
    test = ["CMD", *(health.command or _ask(health, service.port or 0))]
    return {
        "test": test,
        "interval": "15s",
        "timeout": "10s",
        "retries": 5,
        "start_period": f"{health.start_seconds}s",
    }


def _ask(health: Health, port: int) -> list[str]:
    url = f"http://127.0.0.1:{port}{health.path}"
    script = (
        f"fetch('http://'+require('os').hostname()+':{port}{health.path}',{{redirect:'manual'}})"
        f".then(r=>process.exit({list(health.statuses)}.includes(r.status)?0:1),()=>process.exit(1))"
    )
    return {
        "curl": ["curl", "-fsS", "-o", "/dev/null", "--max-time", "8", url],
        "wget": ["wget", "-q", "-O", "/dev/null", "-T", "8", url],
        # Next.js may listen on the container's own name only.
        "node": ["node", "-e", script],
        "python": ["python3", "-c", f"import urllib.request as u; u.urlopen('{url}', timeout=8)"],
    }[health.client]


def _files(name: str, service: Service) -> list[dict[str, Any]]:
    return [
        _bind(f"{RUN}/files/{name}/{file}", target, read_only=True)
        for target, file in sorted(service.files.items())
    ]


def _bind(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
    return {
        "type": "bind",
        "source": source,
        "target": target,
        "read_only": read_only,
        "bind": {"create_host_path": False},
    }


def _mounts(service: Service) -> list[dict[str, Any]]:
    return [{"type": "volume", "source": volume.name, "target": volume.path} for volume in service.volumes]


def _volume(name: str, persistent: bool) -> dict[str, Any]:
    """A named volume takes content and owner from the image when it is new; a bare directory would not."""
    if not persistent:
        return {}
    return {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": f"{VOLUMES}/{name}"}}


def _networks(app: App, services: Iterable[Service]) -> dict[str, Any]:
    used = dict.fromkeys(network for service in services for network in service.networks)
    kinds: dict[str, dict[str, Any]] = {
        "open": {"driver": "bridge"},
        "isolated": {"driver": "bridge", "internal": True},
    }
    return {name: kinds[app.networks[name]] for name in used}


def _logging(name: str, logging: Mapping[str, Any]) -> dict[str, Any]:
    options = {key: value.replace("{service}", name) for key, value in logging["options"].items()}
    return {"driver": logging["driver"], "options": options}


def _literal_dollars(value: Any) -> Any:
    """Compose has variables of its own: every dollar sign that is no reference of ours is doubled for it."""
    if isinstance(value, dict):
        return {key: _literal_dollars(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal_dollars(item) for item in value]
    return _doubled(value) if isinstance(value, str) else value


def _doubled(text: str) -> str:
    parts = parse(text)
    for part in parts:
        if isinstance(part, Reference) and part.secret:
            raise InvalidInput(
                f"{part.text} would stand in the process list",
                where="services",
                hint="give it to the service through env or a file",
            )
    return write([part.replace("$", "$$") if isinstance(part, str) else part for part in parts])
