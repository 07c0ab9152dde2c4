"""A real OceanBase seekdb out of a wheel, one for all workers of a run: it takes 400 MB of memory."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

PASSWORD = "of tests, no secret"
_SECONDS = 90
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class SqlServer:
    """A server with MySQL's protocol on this machine, and how its owner logs in."""

    port: int
    password: str
    host: str = "127.0.0.1"
    user: str = "root"

    def connect(self, database: str | None = None, **more: Any) -> Any:
        import pymysql

        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            autocommit=True,
            **more,
        )

    def execute(self, *statements: str, database: str | None = None) -> list[Any]:
        """Run statements; rows of the last one."""
        rows: list[Any] = []
        with contextlib.closing(self.connect(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    @contextmanager
    def database(self) -> Iterator[str]:
        """A database of its own, removed afterwards."""
        name = f"rig_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name}")


def missing() -> str:
    """Why it cannot run here."""
    absent = [name for name in ("pymysql", "pylibseekdb") if find_spec(name) is None]
    return f"the library {absent[0]} is not installed" if absent else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(server: SqlServer, process: subprocess.Popen[bytes], seconds: float = _SECONDS) -> None:
    """Until the server answers; RuntimeError when it ended, or does not within the time."""
    import pymysql

    ends = time.monotonic() + seconds
    while True:
        try:
            server.execute("SELECT 1")
        except (pymysql.MySQLError, OSError) as error:
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"the server does not answer: {error}") from error
            time.sleep(0.1)
        else:
            return


@cache
def server() -> SqlServer:
    """The one server of this run: started by the first worker that asks, stopped by the last that ends."""
    folder = Path(os.environ.get("CLOUDBERTH_TESTS_FOLDER") or tempfile.mkdtemp(prefix="berth-seekdb-"))
    state = folder / "seekdb.json"
    with _locked(folder):
        known = json.loads(state.read_text()) if state.exists() else _started()
        known["users"] += 1
        state.write_text(json.dumps(known))
    atexit.register(_leave, folder, state, known)
    return SqlServer(known["port"], PASSWORD)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "seekdb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _started() -> dict[str, Any]:
    spec = find_spec("pylibseekdb")
    assert spec is not None
    assert spec.origin is not None
    # In memory where that can be: every new table waits for the disk several times.
    memory = Path("/dev/shm")
    data = tempfile.mkdtemp(prefix="berth-seekdb-data-", dir=memory if memory.is_dir() else None)
    port = free_port()
    process = subprocess.Popen(
        [str(Path(spec.origin).parent / "seekdb"), f"--base-dir={data}", "--nodaemon", "--port", str(port)]
        + [
            option
            for parameter in ("memory_budget=1G", "log_disk_size=2G", "datafile_size=64M")
            for option in ("--parameter", parameter)
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd=data,
        # Ctrl-C is for the tests; they stop it.
        start_new_session=True,
    )
    empty = SqlServer(port, "")
    try:
        wait_for(empty, process)
        empty.execute(f"ALTER USER root IDENTIFIED BY '{PASSWORD}'")
    except BaseException:
        process.kill()
        shutil.rmtree(data, ignore_errors=True)
        raise
    return {"pid": process.pid, "port": port, "data": data, "users": 0}


def _leave(folder: Path, state: Path, known: dict[str, Any]) -> None:
    """The last one stops it. A run in one process removes its folder before this, and then is the last."""
    if not folder.is_dir():
        _stop(known)
        return
    with _locked(folder):
        now = json.loads(state.read_text())
        now["users"] -= 1
        state.write_text(json.dumps(now))
        if now["users"] == 0:
            state.unlink()
            _stop(known)


def _stop(known: dict[str, Any]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(known["pid"], signal.SIGKILL)
    shutil.rmtree(known["data"], ignore_errors=True)
