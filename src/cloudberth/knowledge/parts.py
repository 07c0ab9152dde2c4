"""What the service is made of: opened once, used by the facade and by workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudberth.database import Database
from cloudberth.knowledge.embedders import Embedders
from cloudberth.knowledge.originals import Originals
from cloudberth.knowledge.state.chunks import Chunks
from cloudberth.knowledge.state.datasets import Datasets
from cloudberth.knowledge.state.documents import Documents
from cloudberth.knowledge.state.events import Events
from cloudberth.knowledge.state.jobs import Jobs
from cloudberth.knowledge.state.keys import Keys
from cloudberth.knowledge.steps import Steps
from cloudberth.knowledge.vectors import VectorIndex

if TYPE_CHECKING:
    from cloudberth.cache import Cache
    from cloudberth.knowledge.embedding.chat import Chat
    from cloudberth.knowledge.embedding.rerank import Reranker


def _nobody(_job_id: str) -> None:
    """Nobody waits for jobs here: workers look for themselves."""


@dataclass(slots=True, weakref_slot=True)
class Parts:
    """One of each; all are safe to use from several threads.

    chat: the language model for answers. wake: told of every job that was queued, after it is in the
    database; it may fail to reach anybody, since the table is what counts. at_close: what else has to end.
    """

    database: Database
    originals: Originals
    vectors: VectorIndex
    embedders: Embedders
    cache: Cache | None = None
    steps: Steps = field(default_factory=Steps)
    reranker: Reranker | None = None
    chat: Chat | None = None
    wake: Callable[[str], None] = _nobody
    at_close: list[Callable[[], None]] = field(default_factory=list)
    datasets: Datasets = field(init=False)
    documents: Documents = field(init=False)
    chunks: Chunks = field(init=False)
    jobs: Jobs = field(init=False)
    events: Events = field(init=False)
    keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        self.datasets = Datasets(self.database)
        self.documents = Documents(self.database)
        self.chunks = Chunks(self.database)
        self.jobs = Jobs(self.database)
        self.events = Events(self.database)
        self.keys = Keys(self.database)

    def close(self) -> None:
        """Give everything back."""
        while self.at_close:
            self.at_close.pop()()
        self.embedders.close()
        for each in (self.reranker, self.chat):
            if each is not None:
                each.close()
        self.vectors.store.close()
        self.originals.storage.close()
        if self.cache is not None:
            self.cache.close()
        self.steps.close()
        self.database.close()
