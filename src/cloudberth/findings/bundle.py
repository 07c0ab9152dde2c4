"""What runs on the machines, as far as a plan (or the workspace beside it) shows it.

The only place that knows how containers hide in a plan: user data of launch templates and instances (plain,
base64, gzip, cloud-init with ``write_files``, tar archives, shell scripts with embedded archives), objects in
a bucket that machines fetch at boot, container definitions, and Compose files that the caller hands over.
Everything is optional: what cannot be read is left out, never guessed, and never an error.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from cloudberth.findings.values import at
from cloudberth.infra.plan import Plan, Resource

_LIMIT = 8 * 1024 * 1024
_DEPTH = 8
# Base64 inside a script: one long word, or lines of it with a shorter last one.
_BLOB = re.compile(
    r"[A-Za-z0-9+/]{60,}={0,2}(?:\r?\n[A-Za-z0-9+/]{60,}={0,2}$)*(?:\r?\n[A-Za-z0-9+/]+={0,2}$)?", re.M
)
_METADATA = ("metadata.user-data", "metadata.startup-script", "metadata_startup_script")
# User data, and objects that machines fetch at boot because user data is too small for them.
SOURCES = {
    "aws_launch_template": ("user_data",),
    "aws_launch_configuration": ("user_data", "user_data_base64"),
    "aws_instance": ("user_data", "user_data_base64"),
    "aws_s3_object": ("content", "content_base64"),
    "azurerm_linux_virtual_machine": ("custom_data", "user_data"),
    "azurerm_linux_virtual_machine_scale_set": ("custom_data", "user_data"),
    "azurerm_orchestrated_virtual_machine_scale_set": ("os_profile.0.custom_data", "user_data_base64"),
    "azurerm_storage_blob": ("source_content",),
    "google_compute_instance": _METADATA,
    "google_compute_instance_template": _METADATA,
    "google_compute_region_instance_template": _METADATA,
    "google_storage_bucket_object": ("content",),
}


@dataclass(frozen=True, slots=True)
class Container:
    """One container as it is configured to run.

    origin: Terraform address of the resource that says so, or ``stack/<path>`` of a file in the workspace.
    """

    origin: str
    name: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundle:
    """texts: (origin, path) → every readable text; containers: what they define."""

    texts: Mapping[tuple[str, str], str]
    containers: tuple[Container, ...]


def read_bundle(plan: Plan, stack: Mapping[str, str]) -> Bundle:
    """Everything readable: the stack's files under their path, the plan's under the resource's address."""
    texts: dict[tuple[str, str], str] = {(f"stack/{path}", path): text for path, text in stack.items()}
    for resource in plan.managed():
        for text in _carried(resource):
            texts |= {(resource.address, path): content for path, content in unpack(text)}
    containers = [*_composed(texts), *(c for r in plan.managed() for c in _task_containers(r))]
    return Bundle(texts, tuple(_once(containers)))


def _once(containers: Iterable[Container]) -> Iterator[Container]:
    """The same container, seen in the workspace and again in the plan, counts once."""
    seen: set[tuple[str, str]] = set()
    for container in containers:
        if (container.name, container.image) not in seen:
            seen.add((container.name, container.image))
            yield container


def unpack(text: str) -> tuple[tuple[str, str], ...]:
    """(path, text) of every file inside user data; the user data itself comes first with path ``""``."""
    return tuple(_unpack("", text.encode(), _DEPTH))


def _carried(resource: Resource) -> Iterator[str]:
    for name in SOURCES.get(resource.type, ()):
        node = at(resource, name)
        if node.known:
            yield node.text


def _unpack(path: str, data: bytes, depth: int) -> Iterator[tuple[str, str]]:
    if depth == 0 or len(data) > _LIMIT:
        return
    inner = _decompressed(data)
    if inner is not None:
        yield from _unpack(path, inner, depth - 1)
        return
    members = _archive(data)
    if members:
        for name, content in members:
            yield from _unpack(name, content, depth - 1)
        return
    text = _text(data)
    if text is None:
        return
    decoded = _base64(text)
    if decoded is not None:
        yield from _unpack(path, decoded, depth - 1)
        return
    yield path, text
    for name, content in _embedded(text):
        yield from _unpack(name, content, depth - 1)


def _decompressed(data: bytes) -> bytes | None:
    if not data.startswith(b"\x1f\x8b"):
        return None
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return stream.read(_LIMIT)
    except (OSError, EOFError, zlib.error):
        return None


def _archive(data: bytes) -> tuple[tuple[str, bytes], ...]:
    if data[257:262] != b"ustar":
        return ()
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return tuple(_members(archive))
    except (tarfile.TarError, EOFError):
        return ()


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive.getmembers():
        stream = archive.extractfile(member) if member.isfile() and member.size <= _LIMIT else None
        if stream is not None:
            yield member.name, stream.read()


def _text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _base64(text: str) -> bytes | None:
    """The bytes that text encodes, when it is base64 as a whole and decodes to something readable."""
    compact = "".join(text.split())
    if len(compact) < 16 or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", compact):
        return None
    try:
        data = base64.b64decode(compact, validate=True)
    except binascii.Error:
        return None
    readable = data.startswith(b"\x1f\x8b") or data[257:262] == b"ustar" or _text(data) is not None
    return data if readable else None


def _embedded(text: str) -> Iterator[tuple[str, bytes]]:
    """Files inside cloud-init's ``write_files``, a JSON object of files, or base64 blobs of a script."""
    document = _document(text)
    if isinstance(document, Mapping):
        yield from _written_files(document)
        return
    for number, match in enumerate(_BLOB.finditer(text)):
        # The shorter last line may also be the end mark of a here-document.
        candidates = (match.group(0), match.group(0).rpartition("\n")[0])
        decoded = (data for data in map(_base64, candidates) if data is not None)
        data = next(decoded, None)
        if data is not None:
            yield f"blob-{number}", data


def _document(text: str) -> Any:
    if len(text) > _LIMIT // 4:
        return None
    try:
        return json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError):
        return None


def _written_files(document: Mapping[Any, Any]) -> Iterator[tuple[str, bytes]]:
    entries = document.get("write_files")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("content"), str):
            yield str(entry.get("path", "")), entry["content"].encode()
    files = document.get("files")
    for path, content in files.items() if isinstance(files, Mapping) else ():
        if isinstance(content, str):
            yield str(path), content.encode()


def _composed(texts: Mapping[tuple[str, str], str]) -> Iterator[Container]:
    for (origin, path), text in texts.items():
        document = _document(text) if "services" in text else None
        services = document.get("services") if isinstance(document, Mapping) else None
        for name, settings in services.items() if isinstance(services, Mapping) else ():
            if isinstance(settings, Mapping) and isinstance(settings.get("image"), str):
                environment = _environment(settings.get("environment")) | _env_files(
                    texts, origin, path, str(name)
                )
                yield Container(origin, str(name), settings["image"], environment, settings)


def _env_files(
    texts: Mapping[tuple[str, str], str], origin: str, compose: str, service: str
) -> dict[str, str]:
    """The service's ``env/<service>.env`` beside the Compose file."""
    folder = compose.rpartition("/")[0]
    wanted = f"{folder}/env/{service}.env" if folder else f"env/{service}.env"
    found: dict[str, str] = {}
    for (source, path), text in texts.items():
        if path == wanted and (source == origin or source.startswith("stack/")):
            found |= _environment([line for line in text.splitlines() if not line.lstrip().startswith("#")])
    return found


def _environment(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(name): "" if text is None else str(text) for name, text in value.items()}
    lines: Iterable[Any] = value if isinstance(value, list) else ()
    pairs = (str(line).partition("=") for line in lines if "=" in str(line))
    return {name.strip(): text.strip().strip("'\"") for name, _, text in pairs}


def _task_containers(resource: Resource) -> Iterator[Container]:
    """Containers of an ECS task definition (JSON text in ``container_definitions``)."""
    node = at(resource, "container_definitions")
    try:
        definitions = json.loads(node.text) if node.known else []
    except ValueError:
        return
    for entry in definitions if isinstance(definitions, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("image"), str):
            listed = entry.get("environment")
            pairs = [p for p in (listed if isinstance(listed, list) else ()) if isinstance(p, Mapping)]
            environment = {str(p.get("name")): str(p.get("value")) for p in pairs}
            settings = {"pid": at(resource, "pid_mode").text, **entry}
            yield Container(resource.address, str(entry.get("name")), entry["image"], environment, settings)
