"""Settings that all stores with PostgreSQL's protocol share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import InvalidInput
from cloudberth.vector.settings import VectorSettings, revealed

SslMode = Literal["", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class PostgresSettings(VectorSettings):
    """Where the server is and who asks.

    sslmode, sslrootcert: as PostgreSQL's own clients take them. Without both a connection is encrypted when
    the server can (`prefer`), as Dify connects; with a CA file, server and name are verified (`verify-full`).
    pooler: a pooler with transactions of its own stands between (PgBouncer): nothing is kept in a session.
    min_connection: Dify's; connections are opened when they are needed and kept, at most max_connection.
    vendor_ddl: create indexes and tables with what only this vendor's SQL has; false for a server that only
    speaks the same protocol.
    """

    parts: ClassVar[Mapping[str, str]] = {
        "host": "host",
        "port": "port",
        "user": "user",
        "path": "database",
    }

    host: str = "localhost"
    port: int = Field(5432, ge=1, le=65535)
    user: str = "postgres"
    password: SecretStr | None = None
    database: str = "postgres"
    min_connection: int = Field(1, ge=1)
    max_connection: int = Field(8, ge=1, le=1000)
    sslmode: SslMode = ""
    sslrootcert: str = ""
    pooler: bool = False
    vendor_ddl: bool = True

    @model_validator(mode="after")
    def _in_order(self) -> PostgresSettings:
        if self.min_connection > self.max_connection:
            name = self.variables().get("min_connection", "min_connection")
            raise ValueError(f"{name} is larger than the most connections ({self.max_connection})")
        return self

    def connection_parameters(self) -> dict[str, str]:
        """Parameters of libpq, the password too. Raises InvalidInput for a CA file that is not there."""
        root = self.sslrootcert
        if root and root != "system" and not Path(root).is_file():
            raise InvalidInput(
                f"there is no file {root}", where=self.variables().get("sslrootcert", "sslrootcert")
            )
        found = {
            "host": self.host,
            "port": str(self.port),
            "user": self.user,
            "password": revealed(self.password),
            "dbname": self.database,
            "sslmode": self.sslmode or ("verify-full" if root else ""),
            "sslrootcert": root,
        }
        return {name: value for name, value in found.items() if value}

    def place(self, scheme: str) -> str:
        """For people, without secrets."""
        return f"{scheme}://{self.host}:{self.port}/{self.database}"
