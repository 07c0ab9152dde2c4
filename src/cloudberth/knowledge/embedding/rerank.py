"""Rerankers: models that read a question and a passage together, and order passages better than vectors can.

``POST /rerank`` as Jina, Cohere, SiliconFlow, Voyage, vLLM, Xinference and TEI have it. There is none without
a server: no package holds the weights of one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import Field, SecretStr

from cloudberth.knowledge.embedding.endpoint import Endpoint, EndpointSettings, KeyHeader, unexpected
from cloudberth.settings import EnvironmentSettings

_HERE = "BERTH_KNOWLEDGE_RERANK"


@dataclass(frozen=True, slots=True)
class Ranked:
    """One passage. index: in the texts that were given. score: the model's own; larger is better."""

    index: int
    score: float


class Reranker(Protocol):
    """name: for people."""

    @property
    def name(self) -> str: ...

    def rerank(self, query: str, texts: Sequence[str], top: int | None = None) -> tuple[Ranked, ...]:
        """The texts by how well they answer the query, best first; top: at most so many."""
        ...

    def close(self) -> None: ...


class RerankSettings(EnvironmentSettings):
    """url: up to the version. style: ``standard``, or ``tei`` (Hugging Face's server, which names it
    differently).

    batch: texts in a request, at most: the scores of a model do not depend on what else is in it.
    """

    url: str = Field(default="", alias=f"{_HERE}_URL")
    key: SecretStr | None = Field(default=None, alias=f"{_HERE}_KEY")
    model: str = Field(default="", alias=f"{_HERE}_MODEL")
    style: Literal["standard", "tei"] = Field(default="standard", alias=f"{_HERE}_STYLE")
    key_header: KeyHeader = Field(default="authorization", alias=f"{_HERE}_KEY_HEADER")
    batch: int = Field(default=100, ge=1, le=1000, alias=f"{_HERE}_BATCH")
    timeout: float = Field(default=30.0, gt=0, alias=f"{_HERE}_TIMEOUT")
    retries: int = Field(default=2, ge=0, le=20, alias=f"{_HERE}_RETRIES")


class HttpReranker:
    """See the module. Thread-safe."""

    def __init__(self, settings: RerankSettings) -> None:
        self._settings = settings
        self._endpoint = Endpoint(
            EndpointSettings(
                settings.url, settings.key, settings.key_header, settings.timeout, settings.retries
            ),
            "rerank",
        )

    @property
    def name(self) -> str:
        return self._settings.model or self._endpoint.where

    def rerank(self, query: str, texts: Sequence[str], top: int | None = None) -> tuple[Ranked, ...]:
        found: list[Ranked] = []
        for start in range(0, len(texts), self._settings.batch):
            found += self._ask(query, texts[start : start + self._settings.batch], start)
        found.sort(key=lambda each: (-each.score, each.index))
        return tuple(found[:top])

    def close(self) -> None:
        self._endpoint.close()

    def _ask(self, query: str, texts: Sequence[str], start: int) -> list[Ranked]:
        body: dict[str, Any] = {"query": query}
        if self._settings.model:
            body["model"] = self._settings.model
        if self._settings.style == "tei":
            body["texts"] = list(texts)
        else:
            body |= {"documents": list(texts), "top_n": len(texts)}
        answer = self._endpoint.ask(body)
        if isinstance(answer, dict):
            answer = answer.get("results", answer.get("data"))
        if not isinstance(answer, list):
            raise unexpected("the answer holds no ranking", self._endpoint.where)
        found = [self._ranked(each, len(texts), start) for each in answer]
        if len({each.index for each in found}) != len(texts):
            raise unexpected("the answer does not rank each text once", self._endpoint.where)
        return found

    def _ranked(self, each: Any, count: int, start: int) -> Ranked:
        if not isinstance(each, dict):
            raise unexpected("the answer holds something that is no rank", self._endpoint.where)
        index, score = each.get("index"), each.get("relevance_score", each.get("score"))
        if not isinstance(index, int) or not 0 <= index < count:
            raise unexpected("the answer ranks a text that was not asked for", self._endpoint.where)
        if not isinstance(score, int | float) or not math.isfinite(score):
            raise unexpected("the answer holds a score that is no number", self._endpoint.where)
        return Ranked(start + index, float(score))


def open_reranker(environment: Mapping[str, str] | None = None, **given: str) -> Reranker | None:
    """The reranker of the settings; None when BERTH_KNOWLEDGE_RERANK_URL is not set."""
    settings = RerankSettings.from_environment(os.environ if environment is None else environment, **given)
    return HttpReranker(settings) if settings.url else None
