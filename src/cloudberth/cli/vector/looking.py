"""`berth vector ls`, `info` and `drop`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from cloudberth.cli.console import err, json_option, out, print_json, yes_option
from cloudberth.cli.vector.arguments import environment_of, environment_option, open_store
from cloudberth.vector import VectorStore


@click.command("ls")
@click.argument("store", default="env:")
@environment_option
@json_option
def ls(store: str, env_file: Path | None, as_json: bool) -> None:
    """List the collections of STORE with what they are."""
    with open_store(store, environment_of(env_file)) as opened:
        found = [_described(opened, name) for name in opened.collections()]
        place = opened.backend.place
    if as_json:
        print_json({"store": place, "collections": found})
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("collection", "records", "dimension", "metric", "model", "layout"):
        table.add_column(title, justify="right" if title in {"records", "dimension"} else "left")
    for row in found:
        table.add_row(
            row["name"], f"{row['records']:,}", str(row["dimension"]), row["metric"], row["model"] or "–",
            "Dify" if row["dify"] else "Cloudberth",
        )  # fmt: skip
    out.print(table)
    err.print(f"[dim]{place}: {len(found)} collection{'s' if len(found) != 1 else ''}[/dim]")


@click.command()
@click.argument("store")
@click.argument("collection", required=False)
@environment_option
@json_option
def info(store: str, collection: str | None, env_file: Path | None, as_json: bool) -> None:
    """Show what STORE can do and how it is, or what a COLLECTION of it is."""
    with open_store(store, environment_of(env_file)) as opened:
        facts = _described(opened, collection) if collection else _store_facts(opened)
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        out.print(f"[bold]{name.ljust(width)}[/bold]  {_shown(value)}", markup=True)


@click.command()
@click.argument("store")
@click.argument("collection")
@environment_option
@yes_option
def drop(store: str, collection: str, env_file: Path | None, yes: bool) -> None:
    """Remove COLLECTION from STORE with everything in it."""
    with open_store(store, environment_of(env_file)) as opened:
        number = opened.count(collection)
        if not yes:
            click.confirm(f"Remove {collection} with {number:,} records for good?", abort=True)
        opened.drop(collection)
    err.print(f"removed {collection}, {number:,} records")


def _described(store: VectorStore, name: str) -> dict[str, Any]:
    found = store.describe(name)
    return {
        "name": found.name,
        "records": store.count(name),
        "dimension": found.dimension,
        "metric": found.metric.value,
        "model": found.model,
        "fields": {field: kind.value for field, kind in found.fields.items()},
        "index": found.index.kind,
        "dify": found.dify,
    }


def _store_facts(store: VectorStore) -> dict[str, Any]:
    able = store.capabilities
    health = store.health()
    return {
        "store": store.backend.place,
        "type": store.backend.id,
        "version": health.version,
        **health.detail,
        "metrics": sorted(able.metrics),
        "full text": able.full_text.value,
        "filters": sorted(able.filters),
        "exact search": able.exact,
        "gives back vectors": able.scan,
        "read your writes": able.immediate,
        "several processes": able.processes,
        "most dimensions": able.dimensions,
    }


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} ({kind})" for name, kind in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value) or "–"
