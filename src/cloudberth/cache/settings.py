"""Settings of the cache, by Dify's variable names (`RedisConfig`), and those of the embedded twin.

Two things differ from Dify on purpose: certificates are verified unless ``REDIS_SSL_CERT_REQS`` says
otherwise (Dify: never), and TLS and the user name hold in Sentinel and Cluster as well.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from cloudberth.cache.addresses import addresses, shown
from cloudberth.settings import EnvironmentSettings

Mode = Literal["standalone", "sentinel", "cluster"]
Identity = Literal["aws", "azure", "google"]
REDIS_PORT = 6379
SENTINEL_PORT = 26379
_CERTIFICATES = {"CERT_NONE": "none", "CERT_OPTIONAL": "optional", "CERT_REQUIRED": "required"}


class RedisSettings(EnvironmentSettings):
    """A Redis or Valkey: one server, behind Sentinels, or a cluster."""

    host: str = Field(default="localhost", alias="REDIS_HOST")
    port: int = Field(default=REDIS_PORT, gt=0, lt=65536, alias="REDIS_PORT")
    username: str = Field(default="", alias="REDIS_USERNAME")
    password: SecretStr | None = Field(default=None, alias="REDIS_PASSWORD")
    db: int = Field(default=0, ge=0, alias="REDIS_DB")
    prefix: str = Field(default="", alias="REDIS_KEY_PREFIX")
    tls: bool = Field(default=False, alias="REDIS_USE_SSL")
    certificates: str = Field(default="CERT_REQUIRED", alias="REDIS_SSL_CERT_REQS")
    ca_file: str = Field(default="", alias="REDIS_SSL_CA_CERTS")
    certificate_file: str = Field(default="", alias="REDIS_SSL_CERTFILE")
    key_file: str = Field(default="", alias="REDIS_SSL_KEYFILE")
    use_sentinel: bool = Field(default=False, alias="REDIS_USE_SENTINEL")
    sentinels: str = Field(default="", alias="REDIS_SENTINELS")
    service: str = Field(default="", alias="REDIS_SENTINEL_SERVICE_NAME")
    sentinel_username: str = Field(default="", alias="REDIS_SENTINEL_USERNAME")
    sentinel_password: SecretStr | None = Field(default=None, alias="REDIS_SENTINEL_PASSWORD")
    sentinel_timeout: float = Field(default=1.0, gt=0, alias="REDIS_SENTINEL_SOCKET_TIMEOUT")
    use_cluster: bool = Field(default=False, alias="REDIS_USE_CLUSTERS")
    clusters: str = Field(default="", alias="REDIS_CLUSTERS")
    cluster_password: SecretStr | None = Field(default=None, alias="REDIS_CLUSTERS_PASSWORD")
    protocol: Literal[2, 3] = Field(default=3, alias="REDIS_SERIALIZATION_PROTOCOL")
    max_connections: int | None = Field(default=None, gt=0, alias="REDIS_MAX_CONNECTIONS")
    retries: int = Field(default=3, ge=0, alias="REDIS_RETRY_RETRIES")
    backoff_base: float = Field(default=0.05, gt=0, alias="REDIS_RETRY_BACKOFF_BASE")
    backoff_cap: float = Field(default=1.0, gt=0, alias="REDIS_RETRY_BACKOFF_CAP")
    timeout: float = Field(default=5.0, gt=0, alias="REDIS_SOCKET_TIMEOUT")
    connect_timeout: float = Field(default=5.0, gt=0, alias="REDIS_SOCKET_CONNECT_TIMEOUT")
    health_check_interval: int = Field(default=30, ge=0, alias="REDIS_HEALTH_CHECK_INTERVAL")
    identity: Identity | None = Field(default=None, alias="REDIS_IDENTITY")
    azure_identity: bool = Field(default=False, alias="REDIS_USE_AZURE_MANAGED_IDENTITY")
    aws_cache: str = Field(default="", alias="REDIS_AWS_CACHE_NAME")
    aws_region: str = Field(default="", alias="REDIS_AWS_REGION")
    aws_service: Literal["elasticache", "memorydb"] = Field(default="elasticache", alias="REDIS_AWS_SERVICE")
    aws_serverless: bool = Field(default=False, alias="REDIS_AWS_SERVERLESS")

    @field_validator("protocol", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdigit() else value

    @field_validator("certificates")
    @classmethod
    def _known_certificates(cls, value: str) -> str:
        word = value.strip().upper()
        word = word if word.startswith("CERT_") else f"CERT_{word}"
        if word not in _CERTIFICATES:
            raise ValueError(f"is none of {', '.join(_CERTIFICATES)}")
        return word

    @field_validator("prefix")
    @classmethod
    def _usable_prefix(cls, value: str) -> str:
        # An empty {} would switch off the hash tags that keep the two keys of a lock on one node.
        if "{}" in value:
            raise ValueError("must not hold {}")
        return value.strip()

    @field_validator("sentinels", "clusters")
    @classmethod
    def _readable_addresses(cls, value: str) -> str:
        addresses(value, REDIS_PORT)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.use_sentinel and self.use_cluster:
            raise ValueError("REDIS_USE_SENTINEL and REDIS_USE_CLUSTERS cannot both be set")
        if self.use_sentinel and not (self.sentinels and self.service):
            raise ValueError("REDIS_USE_SENTINEL needs REDIS_SENTINELS and REDIS_SENTINEL_SERVICE_NAME")
        if self.use_cluster and self.db:
            raise ValueError("a cluster has no REDIS_DB but 0")
        if self.identity and self.azure_identity and self.identity != "azure":
            raise ValueError("REDIS_IDENTITY and REDIS_USE_AZURE_MANAGED_IDENTITY name two clouds")
        if self.signed_in_by == "aws" and not (self.aws_cache and self.username):
            raise ValueError("REDIS_IDENTITY=aws needs REDIS_AWS_CACHE_NAME and REDIS_USERNAME")
        if self.signed_in_by and not self.tls:
            raise ValueError("a token of a cloud goes over TLS only: set REDIS_USE_SSL=true")
        return self

    @property
    def mode(self) -> Mode:
        return "sentinel" if self.use_sentinel else "cluster" if self.use_cluster else "standalone"

    @property
    def signed_in_by(self) -> Identity | None:
        return "azure" if self.azure_identity else self.identity

    @property
    def cert_reqs(self) -> str:
        """As redis-py names it."""
        return _CERTIFICATES[self.certificates]

    @property
    def sentinel_addresses(self) -> tuple[tuple[str, int], ...]:
        return addresses(self.sentinels, SENTINEL_PORT)

    @property
    def cluster_addresses(self) -> tuple[tuple[str, int], ...]:
        return addresses(self.clusters, REDIS_PORT) or ((self.host, self.port),)

    @property
    def place(self) -> str:
        """As a URL without secrets."""
        scheme = "rediss" if self.tls else "redis"
        if self.mode == "sentinel":
            hosts = ",".join(shown(*each) for each in self.sentinel_addresses)
            return f"{scheme}+sentinel://{hosts}/{self.service}/{self.db}"
        if self.mode == "cluster":
            return f"{scheme}+cluster://{','.join(shown(*each) for each in self.cluster_addresses)}"
        return f"{scheme}://{shown(self.host, self.port)}/{self.db}"


class LocalSettings(EnvironmentSettings):
    """The embedded twin. path empty: in this process only. Past a bound, what was not used for long goes."""

    path: str = Field(default="", alias="CACHE_PATH")
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=65536, alias="CACHE_MAX_BYTES")
    max_entries: int = Field(default=1_000_000, ge=16, alias="CACHE_MAX_ENTRIES")
    timeout: float = Field(default=5.0, gt=0, alias="CACHE_TIMEOUT")
