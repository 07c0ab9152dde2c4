"""Settings that all stores with MySQL's protocol share."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector.settings import VectorSettings, revealed

TlsMode = Literal["", "disable", "require", "verify-ca", "verify-full"]
Engine = Literal["", "mariadb", "seekdb"]


class MySqlSettings(VectorSettings):
    """Where the server is and who asks.

    tls: empty means verify-full with a CA file; without one encrypted when the server can, but not verified,
    as Dify connects, unless a type says otherwise. ca_file: certificates that are trusted; without it those
    of the system. engine: another engine of this family is at that address; the layout stays that of the
    type, functions and indexes are the engine's.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "user": "user", "path": "database"}
    default_tls: ClassVar[TlsMode] = ""

    host: str = "localhost"
    port: int = Field(3306, ge=1, le=65535)
    user: str = "root"
    password: SecretStr | None = None
    database: str = "dify"
    tls: TlsMode = ""
    ca_file: str = ""
    engine: Engine = ""

    def place(self, scheme: str) -> str:
        """For people, without secrets."""
        return f"{scheme}://{self.host}:{self.port}/{self.database}"

    def connection_parameters(self) -> dict[str, Any]:
        """Parameters of PyMySQL, the password too. Raises InvalidInput for a CA file that is not there."""
        mode: TlsMode = self.tls or ("verify-full" if self.ca_file else self.default_tls)
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": revealed(self.password),
            "database": self.database,
            "charset": "utf8mb4",
            "ssl": self._ssl_context(mode),
            "ssl_disabled": mode == "disable",
        }

    def _ssl_context(self, mode: TlsMode) -> ssl.SSLContext | None:
        if mode in {"", "disable"}:
            return None
        if self.ca_file and not Path(self.ca_file).is_file():
            raise InvalidInput(f"there is no file {self.ca_file}", where="ca_file")
        context = ssl.create_default_context(cafile=self.ca_file or None)
        context.check_hostname = mode == "verify-full"
        if mode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context
