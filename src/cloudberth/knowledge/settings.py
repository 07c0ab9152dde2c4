"""Settings of the knowledge service: Dify's variables where there are any, else ``BERTH_KNOWLEDGE_*``.

Without any variable everything is embedded and lies below one folder: state in ``knowledge.db``, originals
in ``originals/``, vectors in ``vectors.db``, the cache in ``cache.db``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.priority import processors
from cloudberth.settings import EnvironmentSettings, revealed

MIB = 1 << 20
_HERE = "BERTH_KNOWLEDGE"
DATA = f"{_HERE}_DATA"


class KnowledgeSettings(EnvironmentSettings):
    """What is the service's own. database: a URL; empty: PostgreSQL by Dify's ``DB_*`` when ``DB_HOST`` is
    set, else SQLite in the data folder. workers: that are started with the service; None: one, or none when
    there is a broker. worker_kind: processes keep the interface quick while documents are embedded.
    worker_niceness: by how much workers yield to searches, 0 not at all to 19. worker_threads: of a worker
    process for matrices; None: what leaves one processor free. lease, retry: seconds.
    """

    database: SecretStr | None = Field(default=None, alias=f"{_HERE}_DATABASE")
    data: str = Field(default="", alias=DATA)
    embedding: str = Field(default="", alias=f"{_HERE}_EMBEDDING")
    most_bytes: int = Field(default=100 * MIB, ge=1024, alias=f"{_HERE}_MAX_BYTES")
    workers: int | None = Field(default=None, ge=0, le=64, alias=f"{_HERE}_WORKERS")
    worker_kind: Literal["process", "thread"] = Field(default="process", alias=f"{_HERE}_WORKER_KIND")
    worker_niceness: int = Field(default=10, ge=0, le=19, alias=f"{_HERE}_WORKER_NICENESS")
    worker_threads: int | None = Field(default=None, ge=1, le=64, alias=f"{_HERE}_WORKER_THREADS")
    lease: float = Field(default=30.0, ge=0.5, le=3600, alias=f"{_HERE}_LEASE")
    retry: float = Field(default=2.0, gt=0, le=600, alias=f"{_HERE}_RETRY")
    broker: SecretStr | None = Field(default=None, alias="CELERY_BROKER_URL")
    traces: str = Field(default="", alias="BERTH_TRACES_URL")

    @property
    def worker_count(self) -> int:
        if self.workers is not None:
            return self.workers
        return 0 if revealed(self.broker) else 1

    @property
    def threads_of_a_worker(self) -> int:
        """What was asked for, else this worker's part of the processors but one; at least 1."""
        if self.worker_threads is not None:
            return self.worker_threads
        return min(64, max(1, (processors() - 1) // max(1, self.worker_count)))


class DatabaseVariables(EnvironmentSettings):
    """Dify's database, by Dify's names."""

    type: str = Field(default="postgresql", alias="DB_TYPE")
    host: str = Field(default="", alias="DB_HOST")
    port: int = Field(default=5432, ge=1, le=65_535, alias="DB_PORT")
    username: str = Field(default="postgres", alias="DB_USERNAME")
    password: SecretStr | None = Field(default=None, alias="DB_PASSWORD")
    database: str = Field(default="dify", alias="DB_DATABASE")
    extras: str = Field(default="", alias="DB_EXTRAS")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: str) -> Self:
        found = super().from_environment(environment, **given)
        if found.host and found.type != "postgresql":
            raise InvalidInput(
                f"the state of the knowledge service cannot be kept in {found.type}", where="DB_TYPE",
                hint=f"set {_HERE}_DATABASE to postgresql://… or sqlite:///…",
            )  # fmt: skip
        return found

    @property
    def url(self) -> str:
        """With its password: for the driver only."""
        password = revealed(self.password)
        user = quote(self.username, safe="") + (f":{quote(password, safe='')}" if password else "")
        extras = self.extras.lstrip("?&")
        ending = f"?{extras}" if extras else ""
        return f"postgresql://{user}@{self.host}:{self.port}/{quote(self.database, safe='')}{ending}"


def database_url(settings: KnowledgeSettings, environment: Mapping[str, str], data: Path) -> str:
    """Where the state is."""
    if revealed(settings.database):
        return revealed(settings.database)
    variables = DatabaseVariables.from_environment(environment)
    if variables.host:
        return variables.url
    return f"sqlite:///{data / 'knowledge.db'}"


def with_local_places(environment: Mapping[str, str], data: Path) -> dict[str, str]:
    """The variables, with places below the data folder for what they leave open."""
    found = dict(environment)

    def is_set(*names: str) -> bool:
        return any(found.get(name, "").strip() for name in names)

    if not is_set("STORAGE_TYPE"):
        found["STORAGE_TYPE"], found["STORAGE_LOCAL_PATH"] = "local", str(data / "originals")
    if not is_set("CACHE_TYPE", "REDIS_HOST", "REDIS_SENTINELS", "REDIS_CLUSTERS"):
        found["CACHE_TYPE"], found["CACHE_PATH"] = "local", str(data / "cache.db")
    return found


def vector_location(environment: Mapping[str, str], data: Path) -> str:
    """Where the vectors are: what VECTOR_STORE names, else a file in the data folder."""
    named = environment.get("VECTOR_STORE", "").strip()
    return "" if named else str(data / "vectors.db")
