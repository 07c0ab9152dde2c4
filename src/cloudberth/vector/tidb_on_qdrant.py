"""TiDB Cloud Serverless by Qdrant's API (`tidb_on_qdrant`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector._qdrant_backend import QdrantBackend
from cloudberth.vector._qdrant_calls import QdrantServer, of_server
from cloudberth.vector._rest import Rest, key_header
from cloudberth.vector._tidb_cloud import TidbCloud
from cloudberth.vector.contract import Capabilities, FullText, Metric
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

# What its Qdrant API answers as: Dify talks to it with the client 1.9, which knows `search` and not `query`.
_API_VERSION = "1.9"


class TidbOnQdrantSettings(VectorSettings):
    """Dify's variables. Beyond them `cluster`, whose endpoint the API is then asked for, and `password`.

    url: of the Qdrant endpoint; left out with `cluster`. api_key: ``account:password``; of a cluster it is
    put together from its account and `password`. iam_url, region, project, spending_limit: Dify's, with
    which it makes clusters; nothing is made here.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port"}
    url: str = Field("", alias="TIDB_ON_QDRANT_URL")
    api_key: SecretStr | None = Field(None, alias="TIDB_ON_QDRANT_API_KEY")
    client_timeout: int = Field(20, alias="TIDB_ON_QDRANT_CLIENT_TIMEOUT", ge=0)
    grpc_enabled: bool = Field(False, alias="TIDB_ON_QDRANT_GRPC_ENABLED")
    grpc_port: int = Field(6334, alias="TIDB_ON_QDRANT_GRPC_PORT", ge=1, le=65535)
    public_key: str = Field("", alias="TIDB_PUBLIC_KEY")
    private_key: SecretStr | None = Field(None, alias="TIDB_PRIVATE_KEY")
    api_url: str = Field("", alias="TIDB_API_URL")
    iam_url: str = Field("", alias="TIDB_IAM_API_URL")
    region: str = Field("regions/aws-us-east-1", alias="TIDB_REGION")
    project: str = Field("", alias="TIDB_PROJECT_ID")
    spending_limit: int = Field(100, alias="TIDB_SPEND_LIMIT")
    cluster: str = Field("", alias="TIDB_CLUSTER_ID")
    password: SecretStr | None = Field(None, alias="TIDB_CLUSTER_PASSWORD")
    ca_file: str = Field("", alias="TIDB_ON_QDRANT_CA_FILE")
    host: str = ""
    port: int = Field(443, ge=1, le=65535)


class TidbOnQdrant(QdrantBackend):
    """TiDB Cloud Serverless through its Qdrant API, as Dify uses it: a collection for each data set.

    Certificates are checked (Dify does not). Searches by words: Qdrant's index finds the words, Chinese as
    its dictionary cuts it (not proved), and the ranking is made here among the first 2,000 texts. There is
    no place for a note, so metric and model are not remembered beside the collection.

    Tested against a double of Qdrant 1.8's REST API that the vendor's SDK accepts, and one of TiDB Cloud's
    API. Not proved: TiDB Cloud itself.
    """

    id: ClassVar[str] = "tidb_on_qdrant"
    settings: ClassVar[type[VectorSettings]] = TidbOnQdrantSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric),
        full_text=FullText.WORDS,
        ids="uuid",
        dimensions=16_000,
        batch=256,
        notes=False,
    )

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, TidbOnQdrantSettings)  # noqa: S101 — the registry pairs them
        timeout = min(options.timeout, settings.client_timeout or options.timeout)
        options = replace(options, timeout=timeout)
        address = f"https://{settings.host}:{settings.port}" if settings.host else settings.url
        if address:
            rest = _rest(address, revealed(settings.api_key), settings, options)
            return cls(QdrantServer(rest, _API_VERSION), f"tidb-on-qdrant://{rest.origin.host}")
        if not settings.cluster:
            raise InvalidInput(
                "neither an endpoint nor a cluster is named",
                where="TIDB_ON_QDRANT_URL",
                hint="or TIDB_CLUSTER_ID with TIDB_API_URL, TIDB_PUBLIC_KEY and TIDB_PRIVATE_KEY",
            )
        return cls(_ClusterServer(settings, options), f"tidb-on-qdrant://{settings.cluster}")


class _ClusterServer(QdrantServer):
    """The endpoint of a cluster, looked up at the first request."""

    def __init__(self, settings: TidbOnQdrantSettings, options: Options) -> None:
        if not (settings.api_url and settings.public_key and settings.private_key):
            raise InvalidInput(
                "a cluster is looked up with the API of TiDB Cloud",
                where="TIDB_CLUSTER_ID",
                hint="set TIDB_API_URL, TIDB_PUBLIC_KEY and TIDB_PRIVATE_KEY",
            )
        self._settings = settings
        self._options = options
        self._found: Rest | None = None
        self._version = _API_VERSION

    @property
    def rest(self) -> Rest:  # type: ignore[override]
        if self._found is None:
            settings = self._settings
            cloud = TidbCloud(
                settings.api_url, settings.public_key, revealed(settings.private_key), self._options
            )
            try:
                cluster = cloud.cluster(settings.cluster)
            finally:
                cloud.close()
            key = revealed(settings.api_key) or f"{cluster.account}:{revealed(settings.password)}"
            self._found = _rest(cluster.endpoint, key, settings, self._options)
        return self._found

    def close(self) -> None:
        if self._found is not None:
            self._found.close()


def _rest(address: str, key: str, settings: TidbOnQdrantSettings, options: Options) -> Rest:
    headers: dict[str, Any] = key_header("api-key", key)
    return Rest(address, options, headers=headers, ca_file=settings.ca_file, meaning=of_server)
