"""From settings to services: opens what the server keeps, in one place."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cloudberth.cache import Cache
from cloudberth.cache.sessions import CacheSessions
from cloudberth.errors import CloudberthError
from cloudberth.knowledge.opening import open_knowledge
from cloudberth.knowledge.workers import start_workers
from cloudberth.server.admin import AdminToken
from cloudberth.server.console_tables import open_tables
from cloudberth.server.genai_metrics import ModelMetrics
from cloudberth.server.knowledge.part import build_part
from cloudberth.server.metrics import FunctionCollector, ServerMetrics
from cloudberth.server.pages import Pages
from cloudberth.server.sections import Section
from cloudberth.server.services import Services
from cloudberth.server.sessions import DatabaseSessions, Session, Sessions
from cloudberth.server.settings import ServerSettings
from cloudberth.server.sign_in_limits import SignInLimits
from cloudberth.server.store_metrics import cache_metrics, vector_metrics
from cloudberth.server.trace_metrics import trace_metrics
from cloudberth.tracing.database import Database
from cloudberth.tracing.destinations import Destinations
from cloudberth.tracing.ingest import Ingest
from cloudberth.tracing.keys import IngestKeys
from cloudberth.tracing.store import TraceStore


def build_services(settings: ServerSettings, sections: tuple[Section, ...]) -> Services:
    """Open the databases (made when they are missing) and everything on top of them."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = TraceStore.open(settings.traces)
    own = store.database if store.database.is_postgres else settings.database
    console = open_tables(own)
    destinations = Destinations(store.database)
    metrics = ServerMetrics()
    metrics.add(FunctionCollector(lambda: trace_metrics(store, destinations)))
    metrics.add(FunctionCollector(ModelMetrics(store.database).collect))
    knowledge = open_knowledge(knowledge_variables(settings), settings.knowledge)
    shared = knowledge.parts.cache
    if shared is not None:
        counted = shared
        metrics.add(FunctionCollector(lambda: cache_metrics(counted)))
    metrics.add(FunctionCollector(lambda: vector_metrics(knowledge.parts.vectors.store)))
    return Services(
        settings=settings,
        admin=AdminToken(settings.admin_token),
        console=console,
        sessions=_sessions(console, shared, settings),
        limits=SignInLimits(),
        pages=Pages(sections),
        metrics=metrics,
        store=store,
        ingest=Ingest(store),
        destinations=destinations,
        keys=IngestKeys(store.database),
        otlp_places=asyncio.Semaphore(settings.otlp_together),
        knowledge=build_part(knowledge),
    )


def _sessions(console: Database, cache: Cache | None, settings: ServerSettings) -> Sessions:
    """In the cache when several machines share it, else in the server's database."""
    if cache is not None and cache.capabilities.reach == "network":
        return CacheSessions(cache.under("sessions"), settings.session_hours, Session)
    return DatabaseSessions(console, settings.session_hours)


def knowledge_variables(settings: ServerSettings) -> dict[str, str]:
    """The variables of the knowledge service: those of this process; its steps are traced here as well."""
    return {**os.environ, "BERTH_TRACES_URL": settings.traces}


@contextmanager
def indexing(services: Services) -> Iterator[None]:
    """The workers that the variables ask for, beside the server; they end with it."""
    settings = services.settings
    workers = start_workers(
        services.knowledge.service.parts, knowledge_variables(settings), settings.knowledge
    )
    try:
        yield
    finally:
        if workers is not None:
            workers.stop()


def warm_up(services: Services) -> None:
    """Load the embedding model in the background, so that the first search does not wait for it."""

    def load() -> None:
        # Whoever searches is told what is wrong.
        with suppress(CloudberthError):
            services.knowledge.service.parts.embedders.named("").embed_query("warm")

    threading.Thread(target=load, name="knowledge-warm-up", daemon=True).start()


def close_services(services: Services) -> None:
    """Close the databases."""
    services.knowledge.close()
    services.store.close()
    services.console.close()
