"""A small Dify: a real PostgreSQL with the tables that matter, and a store with the objects they name.

The tables have the columns, types and defaults of Dify 1.15 (api/models), as far as a migration sees them.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cloudberth import storage
from cloudberth.storage import Storage
from cloudberth.storage.dify.connection import DatabaseSettings
from cloudberth.storage.dify.outcome import Moved

PASSWORD = "p'ss w%rd-öß"
TABLES = """
CREATE TABLE tenants (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name varchar(255) NOT NULL, encrypt_public_key text,
  plan varchar(255) NOT NULL DEFAULT 'basic', status varchar(255) NOT NULL DEFAULT 'normal',
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP(0));
CREATE TABLE upload_files (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL, storage_type varchar(255) NOT NULL,
  key varchar(255) NOT NULL, name varchar(255) NOT NULL, size integer NOT NULL,
  extension varchar(255) NOT NULL, mime_type varchar(255),
  created_by_role varchar(255) NOT NULL DEFAULT 'account', created_by uuid NOT NULL,
  created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'), used boolean NOT NULL DEFAULT false,
  used_by uuid, used_at timestamp, hash varchar(255), source_url text NOT NULL DEFAULT '');
CREATE INDEX upload_file_tenant_idx ON upload_files (tenant_id);
CREATE TABLE tool_files (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL, tenant_id uuid NOT NULL,
  conversation_id uuid, file_key varchar(255) NOT NULL, mimetype varchar(255) NOT NULL,
  original_url varchar(2048), name varchar NOT NULL DEFAULT '', size integer NOT NULL DEFAULT -1);
CREATE TABLE workflow_pauses (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workflow_id uuid NOT NULL, workflow_run_id uuid NOT NULL,
  resumed_at timestamp, state_object_key varchar(255) NOT NULL);
CREATE TABLE datasets (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL);
CREATE TABLE dataset_keyword_tables (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), dataset_id uuid NOT NULL, keyword_table text NOT NULL,
  data_source_type varchar(255) NOT NULL DEFAULT 'database');
"""


class Postgres:
    """A server of its own on the loopback, with a password, without fsync. It can be killed and started."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            pytest.skip("NOT TESTED: PostgreSQL is not installed (apt-get install postgresql)")
        self.programs = found[-1].parent
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.folder = Path(mkdtemp(prefix="pg-", dir="/tmp"))
        self.user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            entry = pwd.getpwnam("postgres")
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self.user = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self.data = self.folder / "data"
        create = [self.programs / "initdb", "-D", self.data, "-U", "dify", "-E", "UTF8", "--no-sync"]
        access = ["--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={secret}"]
        subprocess.run([*self.user, *map(str, create), *access], check=True, capture_output=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        server = [self.programs / "postgres", "-D", self.data, "-p", self.port, "-k", self.folder]
        options = ["-h", "127.0.0.1", "-c", "fsync=off", "-c", "max_connections=20"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*self.user, *map(str, server), *options], stdout=log, stderr=log)
        for _ in range(400):
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        pytest.fail((self.folder / "log").read_text()[-2000:])

    def kill(self) -> None:
        """As when the machine dies: no goodbye to clients."""
        assert self.process is not None
        stop = [self.programs / "pg_ctl", "-D", self.data, "stop", "-m", "immediate"]
        subprocess.run([*self.user, *map(str, stop)], check=True, capture_output=True)
        self.process.wait(timeout=20)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="dify", password=PASSWORD, dbname=database, autocommit=True
        )


@cache
def key_pair(number: int = 0) -> tuple[bytes, str]:
    """A private key as Dify writes it (PKCS #1 PEM, not encrypted), and its public key (PEM)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public.decode().strip()


@dataclass
class Installation:
    """Objects in `source`, rows in the database, an empty `destination`."""

    postgres: Postgres
    database: str
    source: Storage
    destination: Storage
    folder: Path
    tenants: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with self.postgres.connect(self.database) as connection:
            cursor = connection.execute(query, values or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    @property
    def settings(self) -> DatabaseSettings:
        return DatabaseSettings.from_environment(self.environment)

    def tenant(self, number: int = 0) -> str:
        private, public = key_pair(number)
        name = str(uuid.uuid4())
        self.ask("INSERT INTO tenants (id, name, encrypt_public_key) VALUES (%s, 'T', %s)", name, public)
        self.source.save(f"privkeys/{name}/private.pem", private)
        self.tenants.append(name)
        return name

    def upload(
        self,
        content: bytes = b"content",
        *,
        kind: str = "local",
        stored: bool = True,
        size: int | None = None,
        digest: bool = True,
    ) -> str:
        """A file as Dify's FileService keeps it; its key."""
        tenant = self.tenants[0]
        key = f"upload_files/{tenant}/{uuid.uuid4()}.txt"
        if stored:
            self.source.save(key, content)
        self.ask(
            "INSERT INTO upload_files "
            "(tenant_id, storage_type, key, name, size, extension, created_by, hash) "
            "VALUES (%s, %s, %s, 'n', %s, 'txt', %s, %s)",
            *(tenant, kind, key, len(content) if size is None else size, tenant),
            hashlib.sha3_256(content).hexdigest() if digest else None,
        )
        return key

    def types(self) -> dict[object, object]:
        return dict(self.ask("SELECT storage_type, count(*) FROM upload_files GROUP BY 1"))  # type: ignore[arg-type]


def fill(dify: Installation) -> None:
    """One of everything that Dify keeps, and some that it does not know."""
    tenant = dify.tenant()
    for number in range(5):
        dify.upload(f"document {number}".encode() * (number + 1))
    dify.upload("中文".encode() * 10, size=20, digest=False)  # pasted texts are counted in characters
    for key in (
        ".dify_secret_key",
        f"tools/{tenant}/a.png",
        f"image_files/{tenant}/b.png",
        "website_files/job-1.txt",
        f"keyword_files/{tenant}/{tenant}.txt",
        "ops_trace/app/1.json",
        "triggers/r1.raw",
        "triggers/r1.payload",
        f"datasources/{tenant}/drive.bin",
        f"telemetry/{tenant}/e.json",
        f"workflow-state-{tenant}.json",
        "free_plan_tenant_expired_logs/x/messages.json",
        "export-2026.jsonl.gz",
        "upload_files2/not-dify's.txt",
    ):
        dify.source.save(key, f"<{key}>".encode())
    dify.ask(
        "INSERT INTO tool_files (user_id, tenant_id, file_key, mimetype, size) VALUES (%s, %s, %s, 'x', -1)",
        *(tenant, tenant, f"tools/{tenant}/a.png"),
    )
    dify.ask(
        "INSERT INTO workflow_pauses (workflow_id, workflow_run_id, state_object_key) VALUES (%s, %s, %s)",
        *(tenant, tenant, f"workflow-state-{tenant}.json"),
    )
    dify.ask("INSERT INTO datasets (id, tenant_id) VALUES (%s, %s)", tenant, tenant)
    dify.ask(
        "INSERT INTO dataset_keyword_tables (dataset_id, keyword_table, data_source_type) "
        "VALUES (%s, '', 'object_storage')",
        tenant,
    )


@contextmanager
def installed(postgres: Postgres, folder: Path) -> Iterator[Installation]:
    """An installation on a database of its own, in a folder, with an empty folder beside it."""
    database = f"dify_{uuid.uuid4().hex[:8]}"
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {database}")  # type: ignore[call-overload]
    environment = {
        "DB_TYPE": "postgresql",
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(postgres.port),
        "DB_USERNAME": "dify",
        "DB_PASSWORD": PASSWORD,
        "DB_DATABASE": database,
        "DB_EXTRAS": "sslmode=disable",
    }
    stores = [
        storage.open(
            {
                "STORAGE_TYPE": "local",
                "STORAGE_LOCAL_PATH": str(folder / name),
                "STORAGE_LOCAL_FSYNC": "false",
            }
        )
        for name in ("source", "destination")
    ]
    for store in stores:
        store.check(create=True)
    dify = Installation(postgres, database, stores[0], stores[1], folder, environment=environment)
    with postgres.connect(database) as connection:
        connection.execute(TABLES)
    try:
        yield dify
    finally:
        for store in stores:
            store.close()


def copy_all(source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
    """The plainest mover there can be: what is there with the same bytes is left, the rest is copied."""
    copied = size = present = 0
    for info in source.list():
        data = source.load(info.key)
        if destination.exists(info.key) and destination.load(info.key) == data:
            present += 1
            continue
        copied, size = copied + 1, size + info.size
        if not dry_run:
            destination.save(info.key, data)
    return Moved(copied, size, present)
