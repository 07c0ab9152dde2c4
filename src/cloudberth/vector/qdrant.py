"""Qdrant (`qdrant`): a server, Qdrant Cloud, or a folder of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector._qdrant_backend import QdrantBackend
from cloudberth.vector._qdrant_calls import QdrantFolder, QdrantServer, of_server
from cloudberth.vector._rest import Rest, key_header
from cloudberth.vector.contract import Capabilities, FullText, Metric
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

CAPABILITIES = Capabilities(
    metrics=frozenset(Metric), full_text=FullText.CJK, ids="uuid", dimensions=65_535, batch=256
)


class QdrantSettings(VectorSettings):
    """Dify's variables, and beyond them `group` (the id of a data set in Dify's shared collection) and TLS.

    url: ``http(s)://host:port``, or ``path:/folder`` for the local mode. In a location: host and port, https
    by ``?tls=true``; a path is a folder. gRPC: accepted as Dify's, and not used: everything goes over REST.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "path": "path"}
    url: str = Field("", alias="QDRANT_URL")
    api_key: SecretStr | None = Field(None, alias="QDRANT_API_KEY")
    client_timeout: int = Field(20, alias="QDRANT_CLIENT_TIMEOUT", ge=0)
    grpc_enabled: bool = Field(False, alias="QDRANT_GRPC_ENABLED")
    grpc_port: int = Field(6334, alias="QDRANT_GRPC_PORT", ge=1, le=65535)
    replication_factor: int = Field(1, alias="QDRANT_REPLICATION_FACTOR", ge=1)
    group: str = Field("", alias="QDRANT_GROUP_ID")
    ca_file: str = Field("", alias="QDRANT_CA_FILE")
    host: str = ""
    port: int = Field(6333, ge=1, le=65535)
    path: str = ""
    tls: bool = False

    @property
    def folder(self) -> str:
        """The folder of the local mode; empty for a server."""
        return self.path.rstrip("/") or (self.url[5:] if self.url.startswith("path:") else "")

    @property
    def address(self) -> str:
        if self.host:
            return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"
        return self.url


class Qdrant(QdrantBackend):
    """Qdrant over REST, or in this process by the local mode of its library.

    Layout as Dify's: points with the id doc_id, the payload ``page_content, metadata, group_id`` and Dify's
    indexes over it. Each collection is one of its own; with `group` set, everything happens inside the
    records of one data set in a collection that Dify shares between data sets. Beyond Dify's layout: a
    sparse vector `tokens` for searches by words (BM25, rarity by Qdrant 1.10 and newer), and what Qdrant
    would change (lengths of vectors, lists) under `cloudberth` in the payload. Dify's rows, and servers
    before 1.10, are searched by words in Dify's way, and ranked here among the first 2,000 that have any of
    the words. The note of a collection needs Qdrant 1.16. Text order in filters is compared here.

    Tested against the real library (1.20, local mode), and over REST against a double that the vendor's SDK
    accepts and whose answers are the local mode's. Not proved: a real server, Qdrant Cloud.
    """

    id: ClassVar[str] = "qdrant"
    settings: ClassVar[type[VectorSettings]] = QdrantSettings
    capabilities = CAPABILITIES

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, QdrantSettings)  # noqa: S101 — the registry pairs them
        if settings.folder:
            if settings.host:
                raise InvalidInput("it is either a host or a path", where="qdrant://")
            path = Path(settings.folder).expanduser()
            made = cls(QdrantFolder(path), f"qdrant://{path.absolute()}", group=settings.group)
            made.capabilities = replace(CAPABILITIES, processes=False)
            return made
        if not settings.address:
            raise InvalidInput("the server is not named", where="QDRANT_URL", hint="or path:/folder")
        rest = Rest(
            settings.address,
            replace(options, timeout=min(options.timeout, settings.client_timeout or options.timeout)),
            headers=key_header("api-key", revealed(settings.api_key)),
            ca_file=settings.ca_file,
            meaning=of_server,
        )
        place = f"qdrant://{rest.origin.host}:{rest.origin.port}"
        replication = settings.replication_factor
        return cls(QdrantServer(rest), place, group=settings.group, replication=replication)
