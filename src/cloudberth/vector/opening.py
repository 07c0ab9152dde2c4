"""From settings to a store: what a backend's class offers so that it can be opened by name, and by whom.

Locations, as people write them::

    pgvector://user@host:5432/database    a type (`_` written as `-`) and the parts that its settings take
    ./vectors.db  local:///srv/vectors.db the embedded store, in a file
    prod.env  .env                        a Dify `.env` file: its VECTOR_STORE
    env:                                  the variables of this process
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from cloudberth.errors import InvalidInput
from cloudberth.vector.contract import VectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings

DEFAULT = "local"
_URL = re.compile(r"([a-z][a-z0-9.-]*)://")


class OpenableVectorBackend(VectorBackend):
    """A backend that a type of the registry stands for."""

    settings: ClassVar[type[VectorSettings]]

    @classmethod
    @abstractmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        """A backend with these settings. Makes no request; raises InvalidInput when settings contradict."""


def backend_at(location: str, environment: Mapping[str, str], options: Options) -> VectorBackend:
    """The backend at a location; empty: the one that the environment names. Makes no request."""
    from cloudberth.vector.registry import backend_class, type_of_scheme

    if not location or location == "env:":
        return _of_environment(environment, options)
    found = _URL.match(location)
    if found:
        kind = backend_class(type_of_scheme(found[1]))
        return kind.open(kind.settings.from_url(location, environment), options)
    if Path(location).suffix == ".env" or Path(location).name.startswith(".env"):
        from cloudberth.storage import dotenv

        return _of_environment(dotenv.read(Path(location), environment), options)
    if Path(location).suffix in {".db", ".sqlite"}:
        kind = backend_class(DEFAULT)
        return kind.open(kind.settings.from_environment({}, path=location), options)
    raise InvalidInput(
        f"{location!r} is no vector store",
        hint="pgvector://user@host/database, a file .db of the embedded store, or a .env file",
    )


def _of_environment(environment: Mapping[str, str], options: Options) -> VectorBackend:
    from cloudberth.vector.registry import backend_class

    kind = backend_class(environment.get("VECTOR_STORE", "").strip() or DEFAULT)
    return kind.open(kind.settings.from_environment(environment), options)
