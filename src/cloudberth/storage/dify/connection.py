"""Dify's ``DB_*`` variables, and a connection to the PostgreSQL that they name.

The password goes to libpq as a parameter: it stands in no command line, no log and no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from cloudberth.errors import (
    BackendError,
    CloudberthError,
    InvalidInput,
    Kind,
    PermissionDenied,
    Unavailable,
)
from cloudberth.extras import late_import
from cloudberth.storage.settings import revealed

if TYPE_CHECKING:
    import psycopg

Row = tuple[Any, ...]
OURS = frozenset({"host", "hostaddr", "port", "user", "password", "dbname", "passfile", "service"})
"""What DB_EXTRAS may not say: it has a variable of its own, or would get round one."""
CONNECT_SECONDS = 10


class DatabaseSettings(BaseModel):
    """Dify's database, by the names of its own settings. extras: ``sslmode=verify-full&sslrootcert=…``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore", hide_input_in_errors=True)

    type: str = Field(default="postgresql", alias="DB_TYPE")
    host: str = Field(default="localhost", alias="DB_HOST")
    port: int = Field(default=5432, alias="DB_PORT", ge=1, le=65535)
    username: str = Field(default="postgres", alias="DB_USERNAME")
    password: SecretStr | None = Field(default=None, alias="DB_PASSWORD")
    database: str = Field(default="dify", alias="DB_DATABASE")
    extras: str = Field(default="", alias="DB_EXTRAS")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> DatabaseSettings:
        """From Dify's variables; an empty one counts as not set. Raises InvalidInput naming the variable."""
        names = [field.alias for field in cls.model_fields.values() if field.alias]
        values = {name: environment[name] for name in names if environment.get(name, "").strip()}
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise InvalidInput(first["msg"], where=str(first["loc"][0])) from None
        if settings.type != "postgresql":
            raise InvalidInput(
                f"Dify's database is {settings.type}; only PostgreSQL can be checked and changed",
                where="DB_TYPE",
                hint="move the objects with `berth storage migrate SRC DST` (without --dify), then set "
                "upload_files.storage_type yourself; nothing in Dify reads that column",
            )
        settings.parameters()
        return settings

    @property
    def place(self) -> str:
        """The database without its user's password."""
        return f"postgresql://{self.username}@{self.host}:{self.port}/{self.database}"

    def parameters(self) -> dict[str, str]:
        """DB_EXTRAS as parameters of libpq. Raises InvalidInput for those that have their own variables."""
        pairs = dict(parse_qsl(self.extras.lstrip("?&"), keep_blank_values=True))
        if forbidden := sorted(OURS & set(pairs)):
            raise InvalidInput(
                f"{forbidden[0]} cannot be set here",
                where="DB_EXTRAS",
                hint="use DB_HOST, DB_PORT, DB_USERNAME, DB_PASSWORD and DB_DATABASE",
            )
        return pairs


def connect(settings: DatabaseSettings) -> psycopg.Connection[Row]:
    """A connection in autocommit, its session in UTC. Raises PermissionDenied, Unavailable, InvalidInput."""
    driver = late_import("psycopg", extra="postgres", needed_for="Dify's database")
    with translated(settings):
        connection: psycopg.Connection[Row] = driver.connect(
            host=settings.host,
            port=settings.port,
            user=settings.username,
            password=revealed(settings.password) or None,
            dbname=settings.database,
            autocommit=True,
            connect_timeout=str(CONNECT_SECONDS),
            application_name="cloudberth",
            **settings.parameters(),
        )
        connection.execute("SET TIME ZONE 'UTC'")
    return connection


@contextmanager
def translated(settings: DatabaseSettings) -> Iterator[None]:
    """Errors of the driver become ours, without what they might quote."""
    driver = late_import("psycopg", extra="postgres", needed_for="Dify's database")
    try:
        yield
    except driver.Error as error:
        raise _ours(error, settings) from None


def _ours(error: psycopg.Error, settings: DatabaseSettings) -> CloudberthError:
    state = error.sqlstate or ""
    said = _said(error, settings)
    where = settings.place
    if state.startswith("28") or "authentication failed" in said or "pg_hba.conf" in said:
        return PermissionDenied(
            said, where=where, hint="check DB_USERNAME, DB_PASSWORD and sslmode in DB_EXTRAS"
        )
    if state == "42501":
        return PermissionDenied(
            said, where=where, hint="the user has to be Dify's own, the owner of its tables"
        )
    if state == "3D000" or ("database" in said and "does not exist" in said):
        return InvalidInput(said, where=where, hint="check DB_DATABASE")
    if "connection option" in said:
        return InvalidInput(
            said, where="DB_EXTRAS", hint="it takes parameters of libpq: sslmode, sslrootcert …"
        )
    if state == "55P03":
        return Unavailable(
            "upload_files is locked by somebody else", where=where, hint="stop Dify, then run this again"
        )
    if not state or state.startswith(("08", "57", "53")):
        return Unavailable(said, where=where, hint="nothing was changed half-way; run the same command again")
    return BackendError(f"{said} ({state})", kind=Kind.UNEXPECTED, where=where)


def _said(error: psycopg.Error, settings: DatabaseSettings) -> str:
    """The first line of what the server said: no detail (it may quote a row), and never the password."""
    text = (error.diag.message_primary or str(error) or type(error).__name__).splitlines()[0].strip()
    secret = revealed(settings.password)
    return text.replace(secret, "***") if secret else text
