"""The workspace: a folder of plain Terraform that belongs to the user.

`lay_out` decides what stands in it (pure: path → content). `compare` decides what a re-render may touch, from
the files on disk and the hashes that the last render noted. `write` carries that out: every file is written
aside and renamed, and the manifest knows old and new hashes before the first rename, so that a kill in the
middle leaves a folder that the next render understands.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudberth.apps.model import App
from cloudberth.apps.stack import stack
from cloudberth.deployment.model import Deployment, State
from cloudberth.errors import InvalidInput, Refused
from cloudberth.infra.variables import root_variables

MANIFEST = ".cloudberth.json"
_PACKAGE = Path(__file__).resolve().parents[1]
_LEFT_OUT = {".terraform", "__pycache__"}
_OF_A_CLOUD = re.compile(r"(?P<part>boot|fetch)_(?P<cloud>[a-z]+)(?P<kind>\.py|\.py\.tftpl)")


@dataclass(frozen=True, slots=True)
class Backend:
    """Where Terraform state lives: an object store bucket, or a file in the workspace."""

    type: str
    settings: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """The content of ``backend.tf.json``."""
        return {"terraform": {"backend": {self.type: dict(self.settings)}}}


LOCAL = Backend("local", {"path": "terraform.tfstate"})


def backend_of(state: State, name: str, region: str) -> Backend | None:
    """The backend that the deployment file names; None when it leaves the bucket to `berth up`."""
    if state.type == "local":
        return LOCAL
    return remote_backend(state, name, region, state.bucket) if state.bucket else None


def remote_backend(state: State, name: str, region: str, bucket: str) -> Backend:
    """The backend in an object store; bucket: its bucket, or storage account."""
    return _REMOTE[state.type](state, name, region, bucket)


def s3_backend(state: State, name: str, region: str, bucket: str) -> Backend:
    """State in a bucket, encrypted, locked by Terraform's own lock file (Terraform 1.10 and later)."""
    return Backend(
        "s3",
        {
            "bucket": bucket,
            "key": state.key or f"{name}/terraform.tfstate",
            "region": state.region or region,
            "encrypt": True,
            "use_lockfile": True,
        },
    )


def azurerm_backend(state: State, name: str, _region: str, account: str) -> Backend:
    """State in the container ``tfstate`` of a storage account, locked by Azure's leases; no key is used."""
    return Backend(
        "azurerm",
        {
            "storage_account_name": account,
            "container_name": "tfstate",
            "key": state.key or f"{name}/terraform.tfstate",
            "use_azuread_auth": True,
        },
    )


def gcs_backend(state: State, name: str, _region: str, bucket: str) -> Backend:
    """State in a bucket of Cloud Storage, encrypted and locked by Google; a prefix instead of a key."""
    return Backend("gcs", {"bucket": bucket, "prefix": (state.key or name).removesuffix(".tfstate")})


_REMOTE = {"s3": s3_backend, "azurerm": azurerm_backend, "gcs": gcs_backend}


def lay_out(
    deployment: Deployment, app: App, backend: Backend = LOCAL, *, guarded: bool = True
) -> dict[str, str]:
    """The whole workspace as relative path → text. guarded: whether data is protected against deletion."""
    files = dict(_module_files(deployment.cloud))
    files |= {f"stack/{path}": text for path, text in stack(app, deployment).items()}
    files["terraform.tfvars.json"] = _json(root_variables(deployment, app, guarded=guarded))
    files["backend.tf.json"] = _json(backend.document())
    files[".gitignore"] = ".terraform/\nterraform.tfstate*\n*.tfplan\n"
    return dict(sorted(files.items()))


def _module_files(cloud: str) -> Iterable[tuple[str, str]]:
    root = _PACKAGE / "terraform" / cloud
    if not root.is_dir():
        raise InvalidInput(f"there are no Terraform modules for cloud {cloud!r}")
    yield from _texts(root, "")
    yield from ((f"modules/compute/boot/{name}", text) for name, text in boot_files(cloud).items())


def boot_files(cloud: str) -> dict[str, str]:
    """The boot program of a cloud's machines, name → text: what belongs to this cloud is called
    ``boot_cloud.py`` and ``fetch.py.tftpl`` there, what belongs to another one is left out."""
    folder = _PACKAGE / "terraform" / "boot"
    found = {"template.py": (_PACKAGE / "environment" / "template.py").read_text(encoding="utf-8")}
    for name, text in _texts(folder, ""):
        of_a_cloud = _OF_A_CLOUD.fullmatch(name)
        if not of_a_cloud:
            found[name] = text
        elif of_a_cloud["cloud"] == cloud:
            program = of_a_cloud["part"] == "boot"
            found["boot_cloud.py" if program else f"{of_a_cloud['part']}{of_a_cloud['kind']}"] = text
    return found


def _texts(folder: Path, prefix: str) -> Iterable[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") or part in _LEFT_OUT for part in relative.parts)
        if path.is_file() and not hidden and path.suffix not in {".pyc", ".md"}:
            yield prefix + relative.as_posix(), path.read_text(encoding="utf-8")


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Changes:
    """What a render would do to a folder. changed_by_user: files it must not touch without being told to."""

    create: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    changed_by_user: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """No longer generated, but edited by the user: left alone."""

    @property
    def empty(self) -> bool:
        return not (self.create or self.update or self.delete)


def compare(
    files: Mapping[str, str], present: Mapping[str, str], noted: Mapping[str, tuple[str, ...]]
) -> Changes:
    """Decide, file by file. present: path → hash on disk; noted: path → hashes that a render wrote."""
    groups: dict[str, list[str]] = {
        key: [] for key in ("create", "update", "unchanged", "user", "delete", "kept")
    }
    for path, text in files.items():
        on_disk = present.get(path)
        if on_disk is None:
            groups["create"].append(path)
        elif on_disk == digest(text):
            groups["unchanged"].append(path)
        else:
            groups["update" if on_disk in noted.get(path, ()) else "user"].append(path)
    for path, hashes in noted.items():
        if path not in files and path in present:
            groups["delete" if present[path] in hashes else "kept"].append(path)
    return Changes(
        create=tuple(groups["create"]),
        update=tuple(groups["update"]),
        delete=tuple(groups["delete"]),
        unchanged=tuple(groups["unchanged"]),
        changed_by_user=tuple(groups["user"]),
        kept=tuple(groups["kept"]),
    )


def inspect(files: Mapping[str, str], folder: Path) -> Changes:
    """`compare` against what stands in a folder (which need not exist)."""
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(
            "the workspace cannot be written: this is not a folder",
            where=str(folder),
            hint="choose another folder with --workspace",
        )
    noted = _manifest(folder)
    present = {
        path: hashlib.sha256((folder / path).read_bytes()).hexdigest()
        for path in {*files, *noted}
        if (folder / path).is_file()
    }
    return compare(files, present, noted)


def write(files: Mapping[str, str], folder: Path, *, overwrite: bool = False) -> Changes:
    """Bring a folder up to date.

    Raises Refused, with nothing written, when the user changed a generated file and overwrite is off;
    with overwrite the user's version is kept beside it as ``<file>.orig``.
    """
    changes = inspect(files, folder)
    if changes.changed_by_user and not overwrite:
        raise Refused(
            "these generated files were changed by hand: " + ", ".join(changes.changed_by_user),
            where=str(folder),
            hint="put your changes into an extra .tf file or the deployment file, or render with --overwrite "
            "(your versions are then kept as <file>.orig)",
        )
    try:
        _write_all(files, folder, changes)
    except OSError as error:
        raise InvalidInput(
            f"the workspace cannot be written: {error.strerror}",
            where=str(error.filename or folder),
            hint="choose another folder with --workspace, or free the space or the permission",
        ) from None
    return changes


def _write_all(files: Mapping[str, str], folder: Path, changes: Changes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    noted = _manifest(folder)
    both = {path: tuple({*noted.get(path, ()), digest(text)}) for path, text in files.items()}
    _write_manifest(folder, {**noted, **both})
    for path in changes.changed_by_user:
        (folder / path).replace(folder / f"{path}.orig")
    for path in (*changes.create, *changes.update, *changes.changed_by_user):
        write_file(folder / path, files[path])
    for path in changes.delete:
        (folder / path).unlink(missing_ok=True)
    _write_manifest(folder, {path: (digest(text),) for path, text in files.items()})


def write_file(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write aside, then rename: the file is either the old one or the new one, never half of either."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _manifest(folder: Path) -> dict[str, tuple[str, ...]]:
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {name: tuple(hashes) for name, hashes in document["files"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput(
            "the note of what was rendered cannot be read",
            where=str(path),
            hint="restore it from version control, or delete it and render with --overwrite",
        ) from None


def _write_manifest(folder: Path, hashes: Mapping[str, tuple[str, ...]]) -> None:
    document = {"format": 1, "files": {path: list(values) for path, values in sorted(hashes.items())}}
    write_file(folder / MANIFEST, _json(document))


def existing_backend(folder: Path) -> Backend | None:
    """The backend that a workspace already uses, so that a re-render does not move its state."""
    try:
        backends = json.loads((folder / "backend.tf.json").read_text(encoding="utf-8"))["terraform"][
            "backend"
        ]
        kind, settings = next(iter(backends.items()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, StopIteration, AttributeError):
        raise InvalidInput(
            "the state backend cannot be read",
            where=str(folder / "backend.tf.json"),
            hint="restore the file from version control: it says where the state of this deployment is",
        ) from None
    return Backend(kind, settings)
