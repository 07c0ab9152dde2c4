"""A language model behind OpenAI's ``POST /chat/completions``: whole answers, or word by word."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr

from cloudberth.errors import BackendError, Kind
from cloudberth.knowledge.embedding.endpoint import Endpoint, EndpointSettings, KeyHeader, unexpected
from cloudberth.settings import EnvironmentSettings

T = TypeVar("T")
_HERE = "BERTH_KNOWLEDGE_CHAT"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. finish_reason: ``stop``, ``length`` (cut off), or the server's own word. Tokens: 0 when it
    does not tell.
    """

    text: str
    model: str
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ChatSettings(EnvironmentSettings):
    """url: up to the version; empty: there is no language model. timeout: seconds for a whole answer."""

    url: str = Field(default="", alias=f"{_HERE}_URL")
    key: SecretStr | None = Field(default=None, alias=f"{_HERE}_KEY")
    model: str = Field(default="", alias=f"{_HERE}_MODEL")
    key_header: KeyHeader = Field(default="authorization", alias=f"{_HERE}_KEY_HEADER")
    timeout: float = Field(default=300.0, gt=0, alias=f"{_HERE}_TIMEOUT")
    retries: int = Field(default=2, ge=0, le=20, alias=f"{_HERE}_RETRIES")


class Chat:
    """See the module. Thread-safe."""

    def __init__(self, settings: ChatSettings) -> None:
        self._settings = settings
        self._endpoint = Endpoint(
            EndpointSettings(
                settings.url, settings.key, settings.key_header, settings.timeout, settings.retries
            ),
            "chat/completions",
        )
        self._limit_name = "max_tokens"
        self._takes_temperature = True

    @property
    def name(self) -> str:
        return self._settings.model or self._endpoint.where

    def answer(
        self, messages: Sequence[Message], *, max_tokens: int | None = None, temperature: float | None = None
    ) -> Reply:
        """The whole answer. Raises BackendError."""
        answer = self._adapted(
            lambda: self._endpoint.ask(self._body(messages, max_tokens, temperature, stream=False))
        )
        try:
            choice = answer["choices"][0]
            text = choice["message"].get("content") or choice["message"].get("refusal") or ""
            usage = answer.get("usage") or {}
            return Reply(
                text=str(text),
                model=str(answer.get("model") or self._settings.model),
                finish_reason=str(choice.get("finish_reason") or ""),
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise unexpected("the answer holds no message", self._endpoint.where) from None

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int | None = None, temperature: float | None = None
    ) -> Iterator[str]:
        """The pieces of an answer as they come; closing the iterator hangs up. Raises BackendError.

        The request is sent when the first piece is asked for.
        """

        def begun() -> tuple[Iterator[Any], Any]:
            events = self._endpoint.events(self._body(messages, max_tokens, temperature, stream=True))
            return events, next(events, None)

        events, event = self._adapted(begun)
        try:
            while event is not None:
                piece = self._piece(event)
                if piece:
                    yield piece
                event = next(events, None)
        finally:
            close: Callable[[], None] = getattr(events, "close", lambda: None)
            close()

    def close(self) -> None:
        self._endpoint.close()

    def _piece(self, event: Any) -> str:
        try:
            choices = event.get("choices") or []  # empty in the event with the usage
            return str((choices[0].get("delta") or {}).get("content") or "") if choices else ""
        except (KeyError, IndexError, TypeError, AttributeError):
            raise unexpected("an event of the answer holds no text", self._endpoint.where) from None

    def _body(
        self, messages: Sequence[Message], max_tokens: int | None, temperature: float | None, *, stream: bool
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": [{"role": message.role, "content": message.content} for message in messages]
        }
        if self._settings.model:
            body["model"] = self._settings.model
        if max_tokens is not None:
            body[self._limit_name] = max_tokens
        if temperature is not None and self._takes_temperature:
            body["temperature"] = temperature
        if stream:
            body["stream"] = True
        return body

    def _adapted(self, call: Callable[[], T]) -> T:
        """Call; and again without what the model does not take, which is remembered.

        Reasoning models refuse ``max_tokens`` (it is ``max_completion_tokens`` there) and any temperature.
        """
        for _ in range(3):
            try:
                return call()
            except BackendError as error:
                if error.kind is not Kind.INVALID or not self._learned(str(error)):
                    raise
        return call()

    def _learned(self, said: str) -> bool:
        """Whether an error says something that was not known, so that asking differently may help."""
        if "max_completion_tokens" in said and self._limit_name == "max_tokens":
            self._limit_name = "max_completion_tokens"
            return True
        if "temperature" in said and self._takes_temperature:
            self._takes_temperature = False
            return True
        return False


def open_chat(environment: Mapping[str, str] | None = None, **given: str) -> Chat | None:
    """The language model of the settings; None when BERTH_KNOWLEDGE_CHAT_URL is not set."""
    settings = ChatSettings.from_environment(os.environ if environment is None else environment, **given)
    return Chat(settings) if settings.url else None
