"""What runs on the machines: images, limits, rights, settings. For every cloud alike."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudberth.findings.bundle import Container
from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, rule
from cloudberth.findings.rules.secret_text import (
    is_secret_name,
    kind_of_secret,
    looks_literal,
    published_secret,
)

_GUNICORN_TIMEOUT_SECONDS = 360
_DATABASE_TLS_OFF = re.compile(r"sslmode=disable|\bssl=false\b", re.I)


def place(container: Container) -> str:
    """The address that a finding about a container belongs to; ``""`` for files of the workspace."""
    return "" if container.origin.startswith("stack/") else container.origin


def application_timeout(context: Context) -> float:
    """Seconds that the application may take for an answer: its own setting, or Dify's default."""
    stated = (c.environment.get("GUNICORN_TIMEOUT", "") for c in context.bundle.containers)
    return max((float(text) for text in stated if text.isdigit()), default=_GUNICORN_TIMEOUT_SECONDS)


def tag_of(image: str) -> str:
    """``redis:7`` → ``7``; a digest counts as a tag; ``""`` without one. A registry's port is no tag."""
    if "@" in image:
        return image.partition("@")[2]
    return image.rpartition("/")[2].partition(":")[2]


@rule(
    "containers.image-not-pinned",
    Severity.MEDIUM,
    "Container image without a fixed version",
    why="Machines started next week run another version than those of today; Dify 1.17.0 broke in many "
    "places through a moving proxy image.",
    remedy="services.<name>.image: with a version tag or digest",
    types=(),
)
def image_not_pinned(context: Context) -> Iterator[Hit]:
    for container in context.bundle.containers:
        tag = tag_of(container.image)
        if "$" not in container.image and (tag in ("", "latest", "main", "master", "edge", "nightly")):
            yield Hit(place(container), f"{container.name} runs {container.image}.")


@rule(
    "containers.privileged",
    Severity.HIGH,
    "Container with the rights of the machine",
    why="Code that escapes from it (Dify runs users' code and plugins) owns the machine and its role.",
    remedy="Remove privileged, the Docker socket and pid/network host; grant single capabilities.",
    types=(),
)
def privileged(context: Context) -> Iterator[Hit]:
    for container in context.bundle.containers:
        reason = _privilege(container)
        if reason:
            yield Hit(place(container), f"{container.name}: {reason}.")


def _privilege(container: Container) -> str | None:
    settings = container.settings
    volumes = settings.get("volumes")
    if settings.get("privileged") is True:
        return "privileged is true"
    if settings.get("pid") == "host":
        return "it shares the machine's processes"
    if any("docker.sock" in str(volume) for volume in (volumes if isinstance(volumes, list) else ())):
        return "it controls Docker"
    return None


@rule(
    "containers.no-memory-limit",
    Severity.LOW,
    "Container without a memory limit",
    why="One container that grows takes the machine down with all others instead of being restarted alone.",
    remedy="services.<name>.resources: {…: {memory_mb: …}}",
    types=(),
)
def no_memory_limit(context: Context) -> Iterator[Hit]:
    unlimited = [c for c in context.bundle.containers if not _has_limit(c)]
    for address in sorted({place(container) for container in unlimited}):
        names = sorted({c.name for c in unlimited if place(c) == address})
        yield Hit(address, f"Without a limit: {', '.join(names)}.")


def _has_limit(container: Container) -> bool:
    settings = container.settings
    if any(settings.get(name) for name in ("mem_limit", "memory", "memoryReservation")):
        return True
    deploy = settings.get("deploy")
    resources = deploy.get("resources") if isinstance(deploy, dict) else None
    limits = resources.get("limits") if isinstance(resources, dict) else None
    return isinstance(limits, dict) and bool(limits.get("memory"))


@rule(
    "containers.database-tls-off",
    Severity.HIGH,
    "Service talks to the database without TLS",
    why="The password and all data of this service cross the network readable.",
    remedy="DB_SSL_MODE=require (plugin daemon), sslmode=require in DB_EXTRAS (API and worker).",
    types=(),
)
def database_tls_off(context: Context) -> Iterator[Hit]:
    for container in context.bundle.containers:
        for name, value in sorted(container.environment.items()):
            if (name == "DB_SSL_MODE" and value == "disable") or _DATABASE_TLS_OFF.search(value):
                yield Hit(place(container), f"{name} of {container.name} switches TLS off.")


@rule(
    "containers.errors-only-logged",
    Severity.LOW,
    "Service logs errors only",
    why="Failed migrations and slow steps are reported as warnings and notes; nothing is left to find the "
    "cause.",
    remedy="logs.level: INFO",
    types=(),
)
def errors_only_logged(context: Context) -> Iterator[Hit]:
    for container in context.bundle.containers:
        if container.environment.get("LOG_LEVEL", "").upper() in ("ERROR", "CRITICAL"):
            yield Hit(
                place(container), f"LOG_LEVEL of {container.name} is {container.environment['LOG_LEVEL']}."
            )


@rule(
    "containers.secret-key-shared",
    Severity.MEDIUM,
    "One secret serves as SECRET_KEY and as something else",
    why="SECRET_KEY signs sessions and file links; a service that knows the shared value can forge both.",
    remedy="Give every variable its own secret.",
    types=(),
)
def secret_key_shared(context: Context) -> Iterator[Hit]:
    for container in context.bundle.containers:
        key = container.environment.get("SECRET_KEY", "")
        others = [n for n, v in sorted(container.environment.items()) if n != "SECRET_KEY" and v == key]
        if key and others:
            yield Hit(place(container), f"SECRET_KEY and {others[0]} of {container.name} are the same.")


@rule(
    "containers.secret-in-environment",
    Severity.HIGH,
    "Secret written into a container's settings",
    why="It stands in the plan, in the state and in every copy of the settings, and is changed by nobody.",
    remedy="Name a secret instead: ${secret.NAME} in berth.yaml, secrets/valueFrom in a task definition.",
    types=(),
)
def secret_in_environment(context: Context) -> Iterator[Hit]:
    for container in context.bundle.containers:
        for name, value in sorted(container.environment.items()):
            named = is_secret_name(name) and looks_literal(value) and published_secret(value) is None
            if named or kind_of_secret(value):
                yield Hit(place(container), f"{name} of {container.name} is a literal.")
