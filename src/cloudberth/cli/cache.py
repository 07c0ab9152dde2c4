"""`berth cache`: look at a cache, read a value, empty it. Imported when it runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudberth.errors import InvalidInput, NotFound, Refused

if TYPE_CHECKING:
    from cloudberth.cache import Cache
    from cloudberth.cache.doctor import Check

_SIGNS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
_MOST = 100_000


@click.group(
    epilog="WHERE is redis://host:6379/0 (rediss, valkey, redis+sentinel, redis+cluster), memory://, or the "
    "path of a file. Passwords come from the variables (REDIS_PASSWORD …) or --env-file, not from WHERE. "
    "Without WHERE, the variables name the cache: REDIS_HOST and so on, as Dify has them.",
)
def cache() -> None:
    """Look at a cache, read a value, empty it."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.option(
        "--env-file", type=click.Path(dir_okay=False, path_type=Path), help="A .env file with the variables."
    )(command)


def _open(where: str | None, env_file: Path | None) -> Cache:
    from cloudberth import cache as caches

    environment = dict(os.environ)
    if env_file is not None:
        from cloudberth.storage import dotenv

        # The file's variables alone: what this process happens to have must not get mixed in.
        environment = dotenv.read(env_file, environment)
    behaviour = caches.Behaviour(retries=1, failures=0)
    if where is not None:
        return caches.open(where, behaviour, environment=environment)
    names = ("CACHE_TYPE", "REDIS_HOST", "REDIS_SENTINELS", "REDIS_CLUSTERS")
    if not any(environment.get(name, "").strip() for name in names):
        raise InvalidInput(
            "no cache is named", hint="name one (redis://host:6379/0), or set REDIS_HOST and the like"
        )
    return caches.open(environment, behaviour)


@cache.command()
@click.argument("where", required=False)
@_options
def doctor(where: str | None, env_file: Path | None, as_json: bool) -> int:
    """Check a cache: reach, rights, locks, TLS, memory. Exit code 4 when something does not work.

    Writes a few keys that begin with cloudberth:doctor: and deletes them again.
    """
    from dataclasses import asdict

    from cloudberth.cache.doctor import Verdict, collect, judge

    with _open(where, env_file) as store:
        facts = collect(store)
    checks = judge(facts)
    if as_json:
        document = {"place": facts.place, "checks": [asdict(check) for check in checks]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.secho(facts.place, bold=True)
        for check in checks:
            _show(check)
    return 4 if any(check.verdict is Verdict.FAIL for check in checks) else 0


def _show(check: Check) -> None:
    sign, colour = _SIGNS[check.verdict]
    click.secho(f"  {sign} ", fg=colour, nl=False)
    click.echo(f"{check.id:<10} {check.said}")
    if check.remedy:
        click.secho(f"               {check.remedy}", fg="cyan")


@cache.command()
@click.argument("where", required=False)
@_options
def stats(where: str | None, env_file: Path | None, as_json: bool) -> None:
    """What a cache says of itself: entries, memory, evictions, hits of the server."""
    with _open(where, env_file) as store:
        health = store.health()
        own = store.count(most=_MOST)
        place = store.backend.place
    figures = {
        "place": place,
        "product": f"{health.product} {health.version}",
        "milliseconds": round(health.seconds * 1000, 2),
        "entries": health.entries,
        "entries of cloudberth": own if own < _MOST else f"{_MOST:,} or more",
        "bytes used": health.bytes_used,
        "bytes limit": health.bytes_limit,
        **health.facts,
    }
    if as_json:
        click.echo(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    for name, value in figures.items():
        shown = "–" if value is None else f"{value:,}" if isinstance(value, int) else value
        click.echo(f"{name:<22} {shown}")


@cache.command()
@click.argument("namespace")
@click.argument("key")
@click.argument("where", required=False)
@_options
def get(namespace: str, key: str, where: str | None, env_file: Path | None, as_json: bool) -> None:
    """Print the value of KEY in NAMESPACE, as it is (--json: with what time it has left, bytes in base64)."""
    with _open(where, env_file) as store:
        found = store.under(namespace)
        value = found.get(key)
        if value is None:
            raise NotFound(f"there is no {key!r}", where=f"{store.backend.place} {namespace}")
        left = found.ttl(key)
    if as_json:
        from base64 import b64encode

        seconds = None if left is None or left == float("inf") else left
        click.echo(json.dumps({"key": key, "seconds": seconds, "base64": b64encode(value).decode()}))
        return
    sys.stdout.buffer.write(value)
    sys.stdout.buffer.flush()


@cache.command()
@click.argument("where", required=False)
@click.option("--namespace", help="Only this one (sessions, responses, embeddings …).")
@click.option("--prefix", default="", help="Only keys of the namespace that begin so.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_options
def clear(
    where: str | None, namespace: str | None, prefix: str, yes: bool, env_file: Path | None, as_json: bool
) -> None:
    """Delete what Cloudberth keeps in a cache; other applications' keys stay.

    Whoever is signed in through it is signed out; everything else is computed again.
    """
    if prefix and not namespace:
        raise InvalidInput("--prefix needs --namespace")
    with _open(where, env_file) as store:
        target = store.under(namespace) if namespace else store
        what = f"namespace {namespace}" if namespace else "everything of Cloudberth"
        if not yes:
            if not sys.stdin.isatty():
                raise Refused(f"this deletes {what}", where=store.backend.place, hint="say --yes")
            click.confirm(f"Delete {what} in {store.backend.place}?", abort=True, err=True)
        count = target.clear(prefix)
    click.echo(json.dumps({"deleted": count}) if as_json else f"{count:,} deleted")
