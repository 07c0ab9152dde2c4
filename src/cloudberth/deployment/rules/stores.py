"""Database, cache, object store, vectors, backups."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from cloudberth.deployment.document import Path
from cloudberth.deployment.facts import VectorStore, vector_stores
from cloudberth.deployment.model import Database, LifecycleRule
from cloudberth.deployment.model.base import daily_minutes, shown, weekly_minutes
from cloudberth.deployment.rules.rule import Fault, Question
from cloudberth.deployment.wording import listed, nearest

WEEK = 7 * 24 * 60
DAY = 24 * 60


def needed(question: Question) -> Iterator[Fault]:
    """Dify cannot do without a database or a cache; pgvector cannot do without a database."""
    deployment = question.deployment
    if deployment.app == "dify":
        for name, section in (("database", deployment.database), ("cache", deployment.cache)):
            if section is None:
                yield Fault((name,), f"Dify cannot run without a {name}", f"remove {name}: null")
    elif (
        deployment.database is None
        and question.given("vector", "store")
        and deployment.vector.store == "pgvector"
    ):
        yield Fault(
            ("vector", "store"),
            "pgvector needs the database, which is null",
            "keep the database, or take another store",
            also=(("database",),),
        )


def database(question: Question) -> Iterator[Fault]:
    """Engine, class, version and capacity belong together."""
    section = question.deployment.database
    if section is None:
        return
    yield from _class(question, section)
    yield from _version(question, section)
    yield from _space(question, section)
    yield from _capacity(question, section)
    if question.deployment.app == "dify":
        for key in ("names", "extensions"):
            if question.given("database", key):
                yield Fault(
                    ("database", key),
                    "Dify's databases and extensions belong to its release",
                    "remove it",
                    key=True,
                )


def _class(question: Question, section: Database) -> Iterator[Fault]:
    path, facts = ("database", "machine_type"), question.facts
    if section.engine not in facts.engines:
        yield Fault(
            ("database", "engine"),
            f"{facts.cloud} has no engine {section.engine}",
            f"write engine: {facts.engines[0]}",
        )
        return
    serverless = facts.serverless_class
    shown_at = question.first_given(path, ("database", "engine"))
    if section.engine == "aurora" and section.machine_type != serverless:
        yield Fault(
            shown_at,
            f"aurora runs serverless, not on {section.machine_type}{question.origin(*path)}",
            f"write machine_type: {serverless} and set min_capacity and max_capacity",
            also=(path, ("database", "engine")),
        )
    elif section.engine == "postgres" and section.machine_type == serverless:
        yield Fault(shown_at, f"{serverless} needs engine: aurora", "", also=(path, ("database", "engine")))
    elif section.engine == "postgres" and facts.database_class(section.machine_type) is None:
        known = facts.database_classes
        hint = nearest(section.machine_type, known) or f"for instance {facts.example('database')}"
        yield Fault(path, f"there is no database class {shown(section.machine_type)}", hint)


def _version(question: Question, section: Database) -> Iterator[Fault]:
    if section.engine not in question.facts.engines:
        return
    known = question.facts.database_versions(section.engine)
    path = ("database", "version")
    if not re.match(r"\d{1,2}(\.\d{1,2})?\Z", section.version):
        yield Fault(
            path, f"{shown(section.version)} is not a PostgreSQL version", 'write it like "16" or "16.4"'
        )
    elif section.version.split(".")[0] not in known:
        yield Fault(path, f"{section.engine} has no version {section.version}", f"one of {listed(known)}")
    elif "." in section.version and not question.facts.minor_versions:
        yield Fault(
            path,
            f"{question.facts.cloud} chooses the minor release itself",
            f'write "{section.version.split(".")[0]}"',
        )


def _space(question: Question, section: Database) -> Iterator[Fault]:
    least, most = ("database", "storage_gb"), ("database", "max_storage_gb")
    if section.engine != "postgres":
        return
    if 0 < section.max_storage_gb < section.storage_gb:
        yield Fault(
            question.first_given(most, least),
            f"max_storage_gb {section.max_storage_gb}{question.origin(*most)} is less than storage_gb "
            f"{section.storage_gb}{question.origin(*least)}",
            "set both, or max_storage_gb: 0 to keep it fixed",
            also=(least, most),
        )
    elif 0 < section.max_storage_gb < section.storage_gb * question.facts.growth_factor:
        yield Fault(
            question.first_given(most, least),
            f"max_storage_gb {section.max_storage_gb}{question.origin(*most)} leaves too little to grow from "
            f"storage_gb {section.storage_gb}{question.origin(*least)}",
            f"at least {question.facts.growth_factor:g} times storage_gb, or 0 to keep it fixed",
            also=(least, most),
        )
    alarm = ("alarms", "database_free_storage_gb")
    free = question.deployment.alarms.database_free_storage_gb
    if free >= section.storage_gb:
        yield Fault(
            question.first_given(alarm, least),
            f"the alarm at {free} GB free space{question.origin(*alarm)} never ends with "
            f"{section.storage_gb} GB storage{question.origin(*least)}",
            "lower alarms.database_free_storage_gb, or raise database.storage_gb",
            also=(alarm, least),
        )


def _capacity(question: Question, section: Database) -> Iterator[Fault]:
    step = question.facts.capacity_step
    least, most = ("database", "min_capacity"), ("database", "max_capacity")
    for path, value in ((least, section.min_capacity), (most, section.max_capacity)):
        if not question.given(*path):
            continue
        if section.engine != "aurora":
            yield Fault(
                path,
                "only aurora has a capacity",
                "remove it, or write engine: aurora",
                also=(("database", "engine"),),
                key=True,
            )
        elif value % step:
            yield Fault(path, f"capacity goes in steps of {step}, {value:g} is between two", "")
    if section.engine == "aurora" and section.min_capacity > section.max_capacity:
        yield Fault(
            question.first_given(least, most),
            f"min_capacity {section.min_capacity:g}{question.origin(*least)} is more than "
            f"max_capacity {section.max_capacity:g}{question.origin(*most)}",
            "set both",
            also=(least, most),
        )


def cache(question: Question) -> Iterator[Fault]:
    """Node type and version exist; fail-over needs somebody to fail over to."""
    section, facts = question.deployment.cache, question.facts
    if section is None:
        return
    if facts.cache_class(section.machine_type) is None:
        hint = nearest(section.machine_type, facts.cache_classes) or f"for instance {facts.example('cache')}"
        yield Fault(
            ("cache", "machine_type"), f"there is no cache node type {shown(section.machine_type)}", hint
        )
    if section.version not in facts.cache_versions:
        yield Fault(
            ("cache", "version"),
            f"{facts.cloud} has no cache of version {shown(section.version)}",
            f"one of {listed(facts.cache_versions)}",
        )
    both = (("cache", "multi_zone"), ("cache", "replicas"))
    if section.multi_zone and section.replicas == 0:
        yield Fault(
            question.first_given(*both),
            f"multi_zone{question.origin(*both[0])} needs at least one replica{question.origin(*both[1])}",
            "write replicas: 1",
            also=both,
        )


def storage(question: Question) -> Iterator[Fault]:
    """The kind of store is one that the cloud has."""
    section = question.deployment.storage
    if section.type not in question.facts.storage_types:
        types = listed(question.facts.storage_types)
        yield Fault(
            ("storage", "type"),
            f"{shown(section.type)} is not an object store of {question.facts.cloud}",
            f"write type: {types}",
        )


def lifecycle(question: Question) -> Iterator[Fault]:
    """Objects move to colder classes only, not earlier than allowed, and stay as long as is billed anyway."""
    by_prefix: dict[str, list[tuple[int, LifecycleRule]]] = defaultdict(list)
    for i, rule in enumerate(question.deployment.storage.lifecycle):
        path: Path = ("storage", "lifecycle", i)
        tier = question.facts.tiers[rule.tier]
        if rule.after_days < tier.earliest_day:
            yield Fault(
                (*path, "after_days"),
                f"objects move to {rule.tier} after {tier.earliest_day} days at the earliest, not "
                f"{rule.after_days}",
                f"write after_days: {tier.earliest_day}",
            )
        if not tier.readable and question.deployment.app == "dify":
            yield Fault(
                (*path, "tier"),
                f"Dify could not read its files in {rule.tier}: they need hours to be restored",
                "take infrequent or archive-instant",
            )
        by_prefix[rule.prefix].append((i, rule))
    for rules in by_prefix.values():
        yield from _waterfall(question, sorted(rules, key=lambda item: item[1].after_days))


def _waterfall(question: Question, rules: list[tuple[int, LifecycleRule]]) -> Iterator[Fault]:
    for (j, earlier), (i, later) in pairwise(rules):
        first, second = question.facts.tiers[earlier.tier], question.facts.tiers[later.tier]
        path: Path = ("storage", "lifecycle", i)
        also: tuple[Path, ...] = (("storage", "lifecycle", j), path)
        if second.order <= first.order:
            again = second.order == first.order
            what = f"objects are in {earlier.tier} already after {earlier.after_days} days"
            yield Fault(
                (*path, "tier"),
                what,
                "remove one of the two rules"
                if again
                else f"objects only move to colder classes: {', '.join(question.facts.tiers)}",
                also=also,
            )
        elif later.after_days < earlier.after_days + first.stay_days:
            yield Fault(
                (*path, "after_days"),
                f"{earlier.tier} is billed for {first.stay_days} days, but objects leave it after "
                f"{later.after_days - earlier.after_days}",
                f"write after_days: {earlier.after_days + first.stay_days} or more",
                also=also,
            )


STORE: Path = ("vector", "store")
STORE_VARIABLES: Path = ("vector", "env")


def vector(question: Question) -> Iterator[Fault]:
    """The store is one that Dify knows, and is told how to be reached."""
    section, stores = question.deployment.vector, vector_stores()
    store = stores.get(section.store)
    if store is None:
        hint = nearest(section.store, stores) or f"one of {listed(stores)}"
        yield Fault(STORE, f"there is no vector store {shown(section.store)}", hint)
    elif section.store != "pgvector":
        yield from _store_variables(question, store)
    elif section.env:
        what = "pgvector uses the deployment's own database and needs no variables"
        yield Fault(
            STORE_VARIABLES, what, "remove vector.env, or name another store", key=True, also=(STORE,)
        )


def _store_variables(question: Question, store: VectorStore) -> Iterator[Fault]:
    env = question.deployment.vector.env
    missing = [name for name in store.required if name not in env]
    if not env and not missing:
        missing = [store.variables[0]]
    if missing and question.deployment.app == "dify":
        path = question.first_given(STORE_VARIABLES, STORE)
        names = missing[0] if len(missing) == 1 else f"{', '.join(missing[:-1])} and {missing[-1]}"
        hint = f"write vector: {{env: {{{missing[0]}: …}}}}"
        yield Fault(path, f"{store.name} needs {names}", hint, also=(STORE, STORE_VARIABLES), key=True)
    for name in env:
        if name not in store.variables:
            hint = nearest(name, store.variables) or f"{store.name} has {', '.join(store.variables)}"
            what = f"{store.name} has no variable {shown(name)}"
            yield Fault((*STORE_VARIABLES, name), what, hint, key=True, also=(STORE,))


def backup(question: Question) -> Iterator[Fault]:
    """The maintenance window does not overlap the backup window of any day."""
    section = question.deployment.backup
    start, length = daily_minutes(section.window)
    begin, lasting = weekly_minutes(section.maintenance)
    first, second = ("backup", "maintenance"), ("backup", "window")
    overlaps = any(
        (begin - (start + day * DAY)) % WEEK < length or ((start + day * DAY) - begin) % WEEK < lasting
        for day in range(7)
    )
    if overlaps:
        yield Fault(
            question.first_given(first, second),
            f"maintenance {section.maintenance} overlaps the daily backup {section.window}",
            "move one of them",
            also=(first, second),
        )


RULES = (needed, database, cache, storage, lifecycle, vector, backup)
