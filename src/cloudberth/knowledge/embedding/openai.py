"""Any endpoint with OpenAI's ``POST /embeddings``: OpenAI, Azure, DashScope, SiliconFlow, vLLM, Ollama, TEI,
…

A request holds at most `batch` texts and 250,000 tokens (OpenAI takes 2,048 and 300,000). Vendors allow fewer
(DashScope ten): a request that is refused as wrong or too large is sent again in halves, and what went
through is the size from then on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, SecretStr

from cloudberth.errors import BackendError, Kind
from cloudberth.knowledge.documents.tokens import estimate_tokens
from cloudberth.knowledge.embedding.contract import Embedder
from cloudberth.knowledge.embedding.endpoint import Endpoint, EndpointSettings, KeyHeader, unexpected
from cloudberth.settings import EnvironmentSettings

if TYPE_CHECKING:
    from cloudberth.knowledge.embedding.contract import Vectors

_MOST_TOKENS = 250_000
_HERE = "BERTH_KNOWLEDGE_EMBEDDING"
_DIMENSIONS = {
    "text-embedding-3-large": 3072,
    "text-embedding-3-small": 1536,
    "text-embedding-ada-002": 1536,
}


class OpenAiSettings(EnvironmentSettings):
    """url: up to the version. dimensions: asked for, where the model can give fewer; 0: what it gives.

    max_tokens: that the model takes of one text. query_prefix, document_prefix: for models that were trained
    with them (``query: `` and ``passage: `` for E5). batch: texts in a request, at most.
    """

    url: str = Field(default="https://api.openai.com/v1", alias=f"{_HERE}_URL")
    key: SecretStr | None = Field(default=None, alias=f"{_HERE}_KEY")
    model: str = Field(default="text-embedding-3-small", alias=f"{_HERE}_MODEL")
    dimensions: int = Field(default=0, ge=0, le=65_536, alias=f"{_HERE}_DIMENSIONS")
    key_header: KeyHeader = Field(default="authorization", alias=f"{_HERE}_KEY_HEADER")
    max_tokens: int = Field(default=8000, ge=16, alias=f"{_HERE}_MAX_TOKENS")
    query_prefix: str = Field(default="", alias=f"{_HERE}_QUERY_PREFIX")
    document_prefix: str = Field(default="", alias=f"{_HERE}_DOCUMENT_PREFIX")
    batch: int = Field(default=64, ge=1, le=2048, alias=f"{_HERE}_BATCH")
    timeout: float = Field(default=60.0, gt=0, alias=f"{_HERE}_TIMEOUT")
    retries: int = Field(default=4, ge=0, le=20, alias=f"{_HERE}_RETRIES")


class OpenAiEmbedder(Embedder):
    """See the module. The dimension of a model that is not known is asked for with one short text."""

    settings = OpenAiSettings

    def __init__(self, settings: OpenAiSettings) -> None:
        self._settings = settings
        self._endpoint = Endpoint(
            EndpointSettings(
                settings.url, settings.key, settings.key_header, settings.timeout, settings.retries
            ),
            "embeddings",
        )
        known = settings.dimensions or _DIMENSIONS.get(settings.model, 0)
        super().__init__(f"openai {settings.model}", "", known, settings.max_tokens)
        self._batch = settings.batch
        self._learning = threading.Lock()

    @classmethod
    def of(cls, settings: EnvironmentSettings) -> Self:
        assert isinstance(settings, OpenAiSettings)  # noqa: S101 — narrows the type
        return cls(settings)

    @property
    def dimension(self) -> int:
        with self._learning:
            if not self._dimension:
                self._dimension = len(self._ask(["a"])[0])
            return self._dimension

    @property
    def fingerprint(self) -> str:
        prefixes = f"{self._settings.document_prefix}|{self._settings.query_prefix}".strip("|")
        return "/".join(filter(None, ("openai", self._settings.model, str(self.dimension), "l2", prefixes)))

    def close(self) -> None:
        self._endpoint.close()

    def _embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        import numpy as np

        prefix = self._settings.query_prefix if is_query else self._settings.document_prefix
        waiting = [prefix + text for text in texts]
        rows: list[Any] = []
        for batch in self._batches(waiting):
            rows += self._halving(batch)
        try:
            return np.array(rows, dtype=np.float32)
        except (ValueError, TypeError):
            raise unexpected(
                "the vectors are of different lengths, or no numbers", self._endpoint.where
            ) from None

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        tokens = 0
        for text in texts:
            size = estimate_tokens(text)
            if batch and (len(batch) >= self._batch or tokens + size > _MOST_TOKENS):
                yield batch
                batch, tokens = [], 0
            batch.append(text)
            tokens += size
        if batch:
            yield batch

    def _halving(self, texts: list[str]) -> list[Any]:
        try:
            return self._ask(texts)
        except BackendError as error:
            if error.kind is not Kind.INVALID or len(texts) == 1:
                raise
        half = len(texts) // 2
        found = self._halving(texts[:half])
        self._batch = min(self._batch, half)
        return found + self._halving(texts[half:])

    def _ask(self, texts: Sequence[str]) -> list[Any]:
        """The vectors of one request, in the order of the texts."""
        body: dict[str, Any] = {"model": self._settings.model, "input": list(texts)}
        if self._settings.dimensions:
            body["dimensions"] = self._settings.dimensions
        answer = self._endpoint.ask(body)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list) or len(data) != len(texts):
            raise unexpected("the answer does not hold a vector for each text", self._endpoint.where)
        found: list[Any] = [None] * len(texts)
        for at, each in enumerate(data):
            vector = each.get("embedding") if isinstance(each, dict) else None
            index = each.get("index", at) if isinstance(each, dict) else at
            if not isinstance(vector, list) or not vector or not isinstance(index, int):
                raise unexpected("the answer holds something that is no vector", self._endpoint.where)
            if not 0 <= index < len(found) or found[index] is not None:
                raise unexpected("the answer numbers its vectors wrongly", self._endpoint.where)
            found[index] = vector
        return found
