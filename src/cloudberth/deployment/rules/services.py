"""What runs: the release, changes to its services, or services of one's own."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from cloudberth.apps.model import App, Group, Service, groups_of
from cloudberth.deployment import document as documents
from cloudberth.deployment import releases
from cloudberth.deployment.document import Path
from cloudberth.deployment.facts import vector_stores
from cloudberth.deployment.model import ServiceOverride
from cloudberth.deployment.model.base import VARIABLE_PATTERN, shown
from cloudberth.deployment.rules.rule import Fault, Question
from cloudberth.deployment.wording import nearest
from cloudberth.environment.template import FILTERS, TemplateError, parse

# Memory in MB that the system, Docker and the log shipper of a machine take.
SYSTEM_MB = 512


def _own(question: Question) -> dict[str, Service]:
    services: Mapping[str, object] = question.deployment.services
    return {name: service for name, service in services.items() if isinstance(service, Service)}


def _changes(question: Question) -> dict[str, ServiceOverride]:
    services: Mapping[str, object] = question.deployment.services
    return {name: service for name, service in services.items() if isinstance(service, ServiceOverride)}


def version(question: Question) -> Iterator[Fault]:
    """Dify's release is one that the catalog has."""
    deployment = question.deployment
    known = releases.versions("dify")
    if deployment.app == "dify" and deployment.version is not None and deployment.version not in known:
        hint = nearest(deployment.version, known)
        yield Fault(
            ("version",),
            f"there is no release {shown(deployment.version)} of Dify",
            f"{hint + ' ' if hint else ''}known: {', '.join(known)}",
        )


def changed_services(question: Question) -> Iterator[Fault]:
    """Only services of the release can be changed."""
    release = _release(question)
    if release is None:
        return
    for name in _changes(question):
        if name not in release.services:
            hint = nearest(name, release.services) or f"it has {', '.join(release.services)}"
            yield Fault(
                ("services", name),
                f"Dify {release.version} has no service {shown(name)}",
                hint,
                also=(("version",),),
                key=True,
            )


def _release(question: Question) -> App | None:
    """Dify's release, None for other apps and unknown releases."""
    deployment = question.deployment
    if deployment.app != "dify" or deployment.version not in (None, *releases.versions("dify")):
        return None
    return releases.release("dify", deployment.version)


def only_custom(question: Question) -> Iterator[Fault]:
    """Some keys make sense for own services only."""
    if question.deployment.app == "dify":
        for key, verb in (("secrets", "belong"), ("queue", "belongs")):
            if question.given(key):
                yield Fault(
                    (key,), f"Dify's {key} {verb} to its release", "remove it, or use app: custom", key=True
                )


def placement(question: Question) -> Iterator[Fault]:
    """What runs on which machine: no spot for singletons, data disks only where one machine has them."""
    for name, service in _own(question).items():
        path: Path = ("services", name)
        if service.runs in ("one", "once") and question.given(*path, "spot") and service.spot:
            yield Fault(
                (*path, "spot"),
                f"a service with runs: {service.runs} cannot be on a spot machine",
                "remove it; there is one stateful machine, and it is never spot",
                also=((*path, "runs"),),
            )
        for i, volume in enumerate(service.volumes):
            if volume.persistent and service.runs != "one":
                yield Fault(
                    (*path, "volumes", i),
                    "only a service with runs: one can keep data on a disk",
                    "write persistent: false, or use the object store",
                    also=((*path, "runs"),),
                )
        if service.files:
            yield Fault((*path, "files"), "files belong to releases", "put them into the image", key=True)
        if service.include or service.env_by_size:
            key = "include" if service.include else "env_by_size"
            yield Fault((*path, key), f"{key} belongs to releases", "write the variables under env", key=True)


def ports(question: Question) -> Iterator[Fault]:
    """Routes need a port and somebody who stays to answer; ports are numbers of ports."""
    for name, service in _own(question).items():
        path: Path = ("services", name)
        if service.port is not None and not 1 <= service.port <= 65535:
            yield Fault((*path, "port"), f"there is no port {service.port}", "1 to 65535")
        if service.routes and service.port is None:
            yield Fault(
                (*path, "routes"),
                "routes need a port",
                "add port: 8000, or the one it listens on",
                key=True,
                also=((*path, "port"),),
            )
        if service.routes and service.runs == "once":
            yield Fault(
                (*path, "routes"),
                "a one-shot step cannot have routes",
                "remove them, or write runs: many",
                key=True,
                also=((*path, "runs"),),
            )


def health(question: Question) -> Iterator[Fault]:
    """A health path is a path on the service's port."""
    for name, service in _own(question).items():
        if service.health is None or service.health.path is None:
            continue
        path: Path = ("services", name, "health", "path")
        if service.port is None:
            hint = "add port: 8000, or use health.command"
            also: tuple[Path, ...] = (("services", name, "port"),)
            yield Fault(path, "a health path needs a port", hint, key=True, also=also)
        if not service.health.path.startswith("/"):
            what = f"{shown(service.health.path)} does not start with a slash"
            yield Fault(path, what, f"write /{service.health.path}")


def routes(question: Question) -> Iterator[Fault]:
    """Every path leads to one service."""
    taken: dict[str, str] = {}
    for name, service in _own(question).items():
        for i, route in enumerate(service.routes):
            path: Path = ("services", name, "routes", i, "path")
            if not re.match(r"/[A-Za-z0-9._~/-]*\Z", route.path):
                yield Fault(
                    path, f"{shown(route.path)} is not the beginning of a URL's path", "write it like /api"
                )
            elif (
                taken.setdefault(route.path, name) != name
                or [r.path for r in service.routes].index(route.path) != i
            ):
                yield Fault(
                    path,
                    f"{route.path} already leads to {taken[route.path]}",
                    "give each path to one service",
                )


def order(question: Question) -> Iterator[Fault]:
    """A service waits for others on its own machine, and not in a circle."""
    own, names = _own(question), _names(question)
    for name, service in own.items():
        for i, other in enumerate(service.after):
            path: Path = ("services", name, "after", i)
            if other not in names:
                hint = nearest(other, names) or f"services: {', '.join(sorted(names))}"
                yield Fault(path, f"there is no service {shown(other)}", hint)
            elif other not in own:
                continue
            elif other == name:
                yield Fault(path, "a service cannot wait for itself", "remove it")
            elif not set(groups_of(service)) <= set(groups_of(own[other])):
                yield Fault(
                    path,
                    f"{other} is not on the same machine",
                    "one-shot steps come before everything anyway; others cannot be waited for",
                    also=(("services", other, "runs"), ("services", name, "runs")),
                )
            elif _reaches(own, other, name):
                yield Fault(path, f"{name} and {other} wait for each other", "remove one of the two")


def _reaches(own: Mapping[str, Service], start: str, goal: str) -> bool:
    """Whether one service waits, over others, for another."""
    seen, waiting = {start}, [start]
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        fresh = (
            [other for other in own[name].after if other in own and other not in seen] if name in own else []
        )
        seen.update(fresh)
        waiting.extend(fresh)
    return False


def _images(question: Question) -> Iterator[tuple[str, str | None]]:
    yield from ((name, service.image) for name, service in _own(question).items())
    yield from ((name, change.image) for name, change in _changes(question).items())


def images(question: Question) -> Iterator[Fault]:
    """Images have a tag or a digest: what runs must not change by itself."""
    for name, image in _images(question):
        path = ("services", name, "image")
        if image is None:
            continue
        if not re.match(
            r"[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?\Z", image
        ):
            yield Fault(path, f"{shown(image)} is not an image", "write it like ghcr.io/example/app:1.2.3")
        elif "@" not in image and ":" not in image.rsplit("/", 1)[-1]:
            yield Fault(path, f"{shown(image)} has no tag", f"write the release, like {image}:1.2.3")
        elif image.endswith(":latest"):
            yield Fault(path, "latest is another image tomorrow", "name the release, like :1.2.3")


def resources(question: Question) -> Iterator[Fault]:
    """Own services say what they take at the deployment's size."""
    size = question.deployment.size
    for name, service in _own(question).items():
        if size not in service.resources:
            yield Fault(
                ("services", name, "resources"),
                f"says nothing for size {size}",
                "write resources: {cpu: 1, memory_mb: 1024}",
                key=True,
                also=(("size",),),
            )


def memory(question: Question) -> Iterator[Fault]:
    """All services of a machine fit into its memory, up to their limits."""
    needs: dict[Group, list[tuple[int, str]]] = defaultdict(list)
    for name, service in _running(question).items():
        size = question.deployment.size
        if service.runs != "once" and size in service.resources:
            for group in groups_of(service):
                needs[group].append((service.resources[size].memory_mb, name))
    compute = question.deployment.compute
    machines: list[tuple[Group, Path, str]] = [
        ("app", ("compute", "app", "machine_types", i), name)
        for i, name in enumerate(compute.app.machine_types)
    ]
    machines.append(("stateful", ("compute", "stateful", "machine_type"), compute.stateful.machine_type))
    for group, path, type_ in machines:
        yield from _fits(question, path, type_, needs[group])


def _fits(question: Question, path: Path, type_: str, needs: list[tuple[int, str]]) -> Iterator[Fault]:
    machine = question.facts.machine(type_)
    total = sum(memory for memory, _ in needs)
    if machine is None or not needs or total <= machine.memory_gib * 1024 - SYSTEM_MB:
        return
    largest = ", ".join(f"{name} {memory}" for memory, name in sorted(needs, reverse=True)[:3])
    shown_at = path if question.given(*path) else _asking(question, path, [name for _, name in needs])
    yield Fault(
        shown_at,
        f"{type_}{question.origin(*path)} has {machine.memory_gib:g} GiB, but its services may take "
        f"{total} MB and the system {SYSTEM_MB}",
        f"take a larger machine; the largest services: {largest} MB",
        also=(path, ("size",), ("services",), ("version",)),
    )


def _asking(question: Question, path: Path, names: list[str]) -> Path:
    """Where the memory is asked for, when the machine type is the size's."""
    candidates = [("services", name, "resources") for name in names]
    return next((found for found in candidates if question.given(*found)), path)


def _running(question: Question) -> dict[str, Service]:
    """Every service with its changes."""
    release = _release(question)
    if release is None:
        return _own(question)
    changes, size = _changes(question), question.deployment.size
    return {
        name: service.model_copy(update={"resources": {**service.resources, size: changes[name].resources}})
        if name in changes and changes[name].resources is not None
        else service
        for name, service in release.services.items()
    }


def references(question: Question) -> Iterator[Fault]:
    """``${…}`` in variables names something that exists; elsewhere it cannot stand."""
    known = _referable(question)
    for path, scalar in question.scalars():
        if "${" not in scalar.text or str(path[0]).startswith("x-"):
            continue
        if not _may_refer(path):
            if not _REFERENCE.search(scalar.text):
                continue
            hint = "variables of your environment are in upper case: ${NAME}"
            yield Fault(path, "references such as ${database.host} stand in variables of services only", hint)
            continue
        try:
            found = [part for part in parse(releases.template(scalar.text)) if not isinstance(part, str)]
        except TemplateError as error:
            what, _, hint = error.what.partition("; ")
            yield Fault(path, what, hint or f"known: {', '.join(FILTERS)}")
            continue
        for reference in found:
            if reference.path not in known and not reference.path.startswith("setting."):
                what = f"there is nothing called {shown(reference.path)}"
                hint = _hint_for(question, reference.path, known)
                yield Fault(path, what, hint, also=(("version",), ("database",), ("cache",)))


_REFERENCE = re.compile(r"\$\{[a-z]")


def _referable(question: Question) -> set[str]:
    """Everything that ``${…}`` may name."""
    release = _release(question)
    services = release.services if release else _names(question)
    generated = _keys(question, "secrets") | set(release.secrets if release else ())
    secrets = {*releases.made_secrets(), *generated}
    known = {*releases.facts(), *(f"service.{n}" for n in services), *(f"secret.{n}" for n in secrets)}
    absent = _absent(question)
    return {name for name in known if not any(name.startswith(store) for store in absent)}


def _absent(question: Question) -> dict[str, str]:
    """Beginnings of references to stores that the deployment does without → the store."""
    stores = {"database": question.deployment.database, "cache": question.deployment.cache}
    absent = [name for name, section in stores.items() if section is None]
    return {beginning: name for name in absent for beginning in (f"{name}.", f"secret.{name}_password")}


def _hint_for(question: Question, path: str, known: set[str]) -> str:
    for beginning, store in _absent(question).items():
        if path.startswith(beginning):
            return f"{store} is null"
    return nearest(path, known) or f"facts: {', '.join(sorted(known & releases.facts()))}"


def _names(question: Question) -> set[str]:
    """Own services, those with mistakes in them included."""
    return _keys(question, "services")


def _keys(question: Question, section: str) -> set[str]:
    node = question.document.node((section,))
    return set(node.entries) if isinstance(node, documents.Mapping) else set()


def _may_refer(path: Path) -> bool:
    if path[:1] == ("env",) or path[:2] == ("vector", "env"):
        return True
    return path[:1] == ("services",) and ("env" in path or "headers" in path)


def owned_variables(question: Question) -> Iterator[Fault]:
    """Variables that follow from another key of the file are set there."""
    for path, _ in question.scalars():
        if len(path) >= 2 and path[-2] == "env" and path[0] != "vector" and question.deployment.app == "dify":
            name = str(path[-1])
            key = OWNED.get(name)
            if (
                key is None
                and any(name in store.variables for store in vector_stores().values())
                and path[0] == "env"
            ):
                key = "vector.env"
            if key is not None:
                yield Fault(path, f"{name} follows from {key}", f"set {key} instead", key=True)


OWNED: Mapping[str, str] = {
    **dict.fromkeys(
        ("DB_HOST", "DB_PORT", "DB_USERNAME", "DB_PASSWORD", "DB_DATABASE", "DB_TYPE"), "database"
    ),
    **dict.fromkeys(
        ("REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_USE_SSL"), "cache"
    ),
    **dict.fromkeys(("CELERY_BROKER_URL", "EVENT_BUS_REDIS_URL"), "cache"),
    **dict.fromkeys(("STORAGE_TYPE", "S3_BUCKET_NAME", "S3_REGION", "S3_ENDPOINT"), "storage"),
    **dict.fromkeys(
        ("CONSOLE_API_URL", "CONSOLE_WEB_URL", "SERVICE_API_URL", "APP_API_URL", "APP_WEB_URL"), "domain"
    ),
    **dict.fromkeys(("FILES_URL", "TRIGGER_URL", "ENDPOINT_URL_TEMPLATE"), "domain"),
    "VECTOR_STORE": "vector.store",
    "LOG_LEVEL": "logs.level",
    "OTLP_BASE_ENDPOINT": "tracing.otlp_endpoint",
    "OTEL_SAMPLING_RATE": "tracing.sampling",
    "OTLP_API_KEY": "tracing.headers_secret",
    "MODE": "services",
    "MIGRATION_ENABLED": "services",
}


def variable_names(question: Question) -> Iterator[Fault]:
    """Variables of own services have names that an environment can hold."""
    for name, service in _own(question).items():
        for variable in service.env:
            if not re.match(VARIABLE_PATTERN, variable):
                hint = "letters, digits and _, not starting with a digit"
                what = f"{shown(variable)} cannot be the name of an environment variable"
                yield Fault(("services", name, "env", variable), what, hint, key=True)


def secret_settings(question: Question) -> Iterator[Fault]:
    """Generated secrets do not take the names of those that exist anyway, and fit the secret store."""
    for name, secret in question.deployment.secrets.items():
        if name in releases.made_secrets():
            yield Fault(("secrets", name), f"{name} is made in every deployment", "remove it", key=True)
        if secret.length > 128:
            yield Fault(
                ("secrets", name, "length"), f"a secret has at most 128 characters, not {secret.length}", ""
            )


RULES = (
    version,
    changed_services,
    only_custom,
    placement,
    ports,
    health,
    routes,
    order,
    images,
    resources,
    memory,
    references,
    owned_variables,
    variable_names,
    secret_settings,
)
