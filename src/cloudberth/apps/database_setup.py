"""The one-shot step that makes databases and extensions, for every application that has a database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NAME = "database_setup"
SCRIPT = "databases.sql"
_IMAGE = "postgres:16.10-alpine"
_USER = "70:70"  # postgres


def setup_service() -> dict[str, Any]:
    """psql against the database server, as its administrator. Safe to run again."""
    return {
        "image": _IMAGE,
        "runs": "once",
        "spot": False,
        "command": ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=/setup/databases.sql"],
        "user": _USER,
        "resources": {"cpu": 0.25, "memory_mb": 128},
        "capabilities": [],
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - inside the container
        "files": {"/setup/databases.sql": SCRIPT},
        "env": {
            "PGHOST": "${database.host}",
            "PGPORT": "${database.port}",
            "PGUSER": "${database.username}",
            "PGPASSWORD": "${secret.database_password}",
            "PGDATABASE": "postgres",
            "PGSSLMODE": "require",
            "PGCONNECT_TIMEOUT": "10",
        },
    }


def setup_script(databases: Iterable[str], extensions: Iterable[str]) -> str:
    """SQL for psql: what is missing is created, what exists is left alone."""
    lines = ["-- Makes what is missing; run before every start."]
    for name in databases:
        # Names were checked (letters, digits, _): they need no escape inside the apostrophes.
        lines += [
            f"SELECT 'CREATE DATABASE {_quoted(name)}'",
            f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec",
            f"\\connect {_quoted(name)}",
        ]
        lines += [f"CREATE EXTENSION IF NOT EXISTS {_quoted(extension)};" for extension in extensions]
        lines += ["\\connect postgres"]
    return "\n".join(lines) + "\n"


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
