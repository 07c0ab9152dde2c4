"""`berth doctor`: whether a platform on this machine can work, and what to do where it cannot."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from cloudberth.cli.console import (
    data_option,
    deployment_argument,
    err,
    json_option,
    local_option,
    out,
    print_json,
)
from cloudberth.cli.local_platform import Place, answers, environment_of, is_free, place_of
from cloudberth.errors import CloudberthError, InvalidInput

Verdict = Literal["ok", "warn", "fail"]
_SIGNS = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "fail": "[red]✗[/red]"}
# What each extra brings, by the module that is looked for.
_NEEDED = {
    "server": (
        "fastapi",
        "uvicorn",
        "jinja2",
        "prometheus_client",
        "python_multipart",
        "cryptography",
        "numpy",
    ),
}
_READERS = {"pdf": "pypdf", "docx": "docx", "xlsx": "openpyxl", "pptx": "pptx"}
_LEAST_BYTES, _SCANT_BYTES = 200 << 20, 2 << 30
_TEXT = "The lighthouse keeper winds the clock every evening.\n\n灯塔管理员每天傍晚给钟上发条。\n"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    said: str
    hint: str = ""


@click.command()
@deployment_argument
@local_option
@data_option
@json_option
def doctor(file: Path, local: bool, data: Path | None, as_json: bool) -> int:
    """Check a platform on this machine: port, disk, Python, model, stores, and a document from end to end.

    Changes nothing: the document goes to a folder of its own, which is removed. Exit code 4 when something
    does not work. For a bucket in a cloud there is `berth storage doctor`.
    """
    place = place_of(file, local=local or not file.exists(), data=data)
    if place is None:
        raise InvalidInput(
            "this file is about a cloud", where=str(file), hint="berth status, berth storage doctor NAME"
        )
    found: list[Check] = []
    for check in checks(place):
        found.append(check)
        if not as_json:
            _show(check)
    if as_json:
        print_json({"format": 1, "checks": [vars_of(check) for check in found]})
    failed = sum(check.verdict == "fail" for check in found)
    if not as_json:
        err.print(f"{failed} of {len(found)} checks failed" if failed else "everything works")
    return 4 if failed else 0


def vars_of(check: Check) -> dict[str, str]:
    return {"name": check.name, "verdict": check.verdict, "said": check.said, "hint": check.hint}


def _show(check: Check) -> None:
    out.print(f"{_SIGNS[check.verdict]} {check.name:<12} {check.said}", soft_wrap=True)
    if check.hint and check.verdict != "ok":
        out.print(f"      [cyan]{check.hint}[/cyan]", soft_wrap=True)


def checks(place: Place) -> Iterator[Check]:
    """Every check in its order, as soon as it is done."""
    yield _python()
    extras = _extras()
    yield extras
    yield _readers()
    yield _folder(place.home.folder)
    yield _space(place.home.folder)
    yield _port(place)
    if extras.verdict == "fail":
        return
    environment = environment_of(place.platform)
    yield _guarded("model", lambda: _model(environment))
    yield from _stores(place, environment)
    yield _guarded("round trip", lambda: _round_trip(environment))


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    import sqlite3

    return Check("python", "ok", f"{version}, SQLite {sqlite3.sqlite_version}")


def _extras() -> Check:
    missing = [
        f"{module} ({extra})"
        for extra, modules in _NEEDED.items()
        for module in modules
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        hint = "pip install 'cloudberth[server,documents,embedding]'"
        return Check("extras", "fail", "missing: " + ", ".join(missing), hint)
    return Check("extras", "ok", ", ".join(module for modules in _NEEDED.values() for module in modules))


def _readers() -> Check:
    missing = [name for name, module in _READERS.items() if importlib.util.find_spec(module) is None]
    if missing:
        hint = "pip install 'cloudberth[documents]'"
        return Check("readers", "warn", f"these cannot be read: {', '.join(missing)}", hint)
    return Check("readers", "ok", "pdf, docx, xlsx, pptx, html, md, txt, csv")


def _folder(folder: Path) -> Check:
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        return Check("folder", "fail", f"nothing can be written in {parent}", "another folder: --data")
    return Check("folder", "ok", f"{folder}{'' if folder.exists() else ' (made at the first start)'}")


def _space(folder: Path) -> Check:
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    from cloudberth.server.formats import size

    free = shutil.disk_usage(parent).free
    said, hint = f"{size(free)} free", "make room, or another folder: --data"
    return Check(
        "disk", "fail" if free < _LEAST_BYTES else "warn" if free < _SCANT_BYTES else "ok", said, hint
    )


def _port(place: Place) -> Check:
    running = place.home.running()
    if running is not None:
        if answers(running, "/readyz") is None:
            return Check("port", "fail", f"no answer at {running.address}", f"look at {place.home.log}")
        return Check("port", "ok", f"it runs: {running.address}")
    host, wanted = place.platform.host, place.platform.port
    if wanted is not None and not is_free(host, wanted):
        return Check("port", "fail", f"port {wanted} is taken", "another one: --port; or none at all")
    return Check("port", "ok", f"{wanted} is free" if wanted else "8840 or the next one that is free")


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except CloudberthError as error:
        return Check(name, "fail", str(error), error.hint)
    except Exception as error:  # what fails here is what the doctor is for
        return Check(name, "fail", f"{type(error).__name__}: {error}", "please report it")


def _model(environment: Mapping[str, str]) -> Check:
    from cloudberth.knowledge.embedding import open_embedder

    began = time.monotonic()
    embedder = open_embedder(environment.get("BERTH_KNOWLEDGE_EMBEDDING", ""), environment)
    try:
        rows = embedder.embed_documents(_TEXT.split("\n\n"))
    finally:
        embedder.close()
    likeness = float(rows[0] @ rows[1])
    said = f"{embedder.name}, {embedder.dimension} dimensions, ready in {time.monotonic() - began:.1f} s"
    if likeness < 0.2 and environment.get("BERTH_KNOWLEDGE_EMBEDDING") != "hash":
        hint = "questions in one language will not find documents in another"
        return Check("model", "warn", f"{said}; it sees no likeness between languages ({likeness:.2f})", hint)
    return Check("model", "ok", said)


def _stores(place: Place, environment: Mapping[str, str]) -> Iterator[Check]:
    """Those of the platform itself when it has started before, else those that it would have."""
    from cloudberth.knowledge.opening import open_knowledge

    with tempfile.TemporaryDirectory(prefix="berth-doctor-") as scratch:
        kept = place.home.folder / "knowledge"
        try:
            service = open_knowledge(environment, kept if kept.exists() else Path(scratch))
        except CloudberthError as error:
            yield Check("stores", "fail", str(error), error.hint)
            return
        with service:
            parts = service.health().parts
    is_up = place.home.running() is not None
    for part in parts:
        if part.name == "embedding" or (part.name == "workers" and not is_up):
            continue
        yield Check(part.name, "ok" if part.ok else "fail", part.detail, part.hint)


def _round_trip(environment: Mapping[str, str]) -> Check:
    """A document in, found in two languages, and gone again; in a folder of its own."""
    from cloudberth.knowledge.opening import open_knowledge
    from cloudberth.knowledge.workers import ThreadWorkers

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="berth-doctor-") as scratch:
        apart = {name: value for name, value in environment.items() if name != "CELERY_BROKER_URL"}
        apart["BERTH_KNOWLEDGE_DATABASE"] = f"sqlite:///{scratch}/state.db"
        with open_knowledge(apart, Path(scratch)) as service, ThreadWorkers(service.parts):
            dataset = service.create_dataset("doctor")
            try:
                made = service.add_document(dataset.id, "doctor.txt", _TEXT.encode())
                _until(lambda: service.document(dataset.id, made.id).is_settled, "it is not indexed")
                document = service.document(dataset.id, made.id)
                if document.error:
                    return Check("round trip", "fail", document.error, document.hint)
                for question in ("Who winds the clock?", "谁给钟上发条"):
                    if not service.search(dataset.id, question).passages:
                        return Check("round trip", "fail", f"nothing is found for {question!r}")
            finally:
                service.delete_dataset(dataset.id)
                _until(lambda: not service.jobs().total, "it is not deleted")
    return Check("round trip", "ok", f"indexed, found and deleted in {time.monotonic() - began:.1f} s")


def _until(true: Callable[[], Any], otherwise: str, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            raise CloudberthError(f"{otherwise} within {seconds:g} s")
        time.sleep(0.05)
