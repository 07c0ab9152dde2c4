"""From settings to a service: opens every part, and gives back what it opened when one of them fails."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.embedders import Embedders
from cloudberth.knowledge.originals import Originals
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.settings import (
    DATA,
    KnowledgeSettings,
    database_url,
    vector_location,
    with_local_places,
)
from cloudberth.knowledge.state.schema import open_database
from cloudberth.knowledge.steps import Steps
from cloudberth.knowledge.vectors import VectorIndex
from cloudberth.settings import revealed

if TYPE_CHECKING:
    from cloudberth.cache import Cache
    from cloudberth.knowledge.service import Knowledge


def open_knowledge(environment: Mapping[str, str] | None = None, data: Path | None = None) -> Knowledge:
    """The service of these variables. data: the folder for what is embedded; else ``BERTH_KNOWLEDGE_DATA``.

    Makes the folder and brings the tables to the newest version. Starts no workers. Raises InvalidInput for
    settings that are missing or wrong.
    """
    from cloudberth.knowledge.service import Knowledge

    return Knowledge(open_parts(environment, data))


def open_parts(environment: Mapping[str, str] | None = None, data: Path | None = None) -> Parts:
    """Everything the service stands on, for workers too."""
    variables = os.environ if environment is None else environment
    settings = KnowledgeSettings.from_environment(variables)
    folder = data_folder(settings, data)
    places = with_local_places(variables, folder)
    with ExitStack() as opened:
        parts = _opened(settings, places, folder, opened)
        opened.pop_all()
    if revealed(settings.broker):
        from cloudberth.knowledge.celery_queue import sender

        try:
            told = sender(revealed(settings.broker), parts, places)
        except BaseException:
            parts.close()
            raise
        parts.wake = told
        parts.at_close.append(told.close)
    return parts


def data_folder(settings: KnowledgeSettings, data: Path | None) -> Path:
    """The folder for what is embedded, made when it is missing. Raises InvalidInput."""
    if data is None and not settings.data:
        raise InvalidInput("no folder is named", where=DATA, hint="the folder for documents and vectors")
    folder = (data or Path(settings.data)).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InvalidInput(f"the folder cannot be made: {error.strerror}", where=str(folder)) from None
    return folder


def _opened(settings: KnowledgeSettings, places: Mapping[str, str], folder: Path, opened: ExitStack) -> Parts:
    from cloudberth import cache, storage, vector
    from cloudberth.knowledge.embedding.chat import open_chat
    from cloudberth.knowledge.embedding.rerank import open_reranker

    database = open_database(database_url(settings, places, folder))
    opened.callback(database.close)
    bucket = storage.open(places)
    opened.callback(bucket.close)
    if places["STORAGE_TYPE"] == "local":
        # A folder of this machine is made; a bucket of a cloud is its owner's to make.
        bucket.check(create=True)
    store = vector.open(vector_location(places, folder), places)
    opened.callback(store.close)
    kept = cache.open(places)
    opened.callback(kept.close)
    return Parts(
        database=database,
        originals=Originals(bucket, database, settings.most_bytes),
        vectors=VectorIndex(store),
        embedders=open_embedders(settings, places, kept),
        cache=kept,
        steps=_steps(settings),
        reranker=open_reranker(places),
        chat=open_chat(places),
    )


def open_embedders(
    settings: KnowledgeSettings, environment: Mapping[str, str], kept: Cache | None
) -> Embedders:
    """The embedder of the settings first, then the others that can be used here."""
    from cloudberth.knowledge.embedding import DEFAULT, EMBEDDERS, open_embedder

    first = settings.embedding.strip() or DEFAULT
    names = [first]
    for name in EMBEDDERS.types():
        # Letters without meaning are no choice for users; an endpoint needs an address.
        if name in (first, "hash") or (name == "openai" and not _has_endpoint(environment)):
            continue
        try:
            EMBEDDERS.load(name)
            open_embedder(name, environment).close()
        except InvalidInput:
            continue
        names.append(name)
    return Embedders(names, lambda name: open_embedder(name, environment), kept)


def _has_endpoint(environment: Mapping[str, str]) -> bool:
    names = ("BERTH_KNOWLEDGE_EMBEDDING_URL", "BERTH_KNOWLEDGE_EMBEDDING_KEY")
    return any(environment.get(name, "").strip() for name in names)


def _steps(settings: KnowledgeSettings) -> Steps:
    if not settings.traces:
        return Steps()
    from cloudberth.tracing.tracer import open_tracer

    return Steps(open_tracer(settings.traces, service="cloudberth-knowledge", app="knowledge"))
