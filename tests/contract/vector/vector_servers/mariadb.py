"""A real MariaDB with vectors: on the PATH, or unpacked by tools/fetch_mariadb.py, with its own loader."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from vector_servers.seekdb import SqlServer, free_port, wait_for

PASSWORD = "of tests, no secret"
UNPACKED = Path(os.environ.get("CLOUDBERTH_MARIADB") or Path.home() / ".cache/cloudberth/mariadb-11.8")
# The first with vectors.
_OLDEST = (11, 7)


def missing() -> str:
    """Why it cannot run here."""
    try:
        import pymysql  # noqa: F401
    except ImportError:
        return "the library pymysql is not installed"
    command = _command()
    if not command:
        return "there is no mariadbd 11.7 or later: tools/fetch_mariadb.py unpacks one"
    return ""


@cache
def _command() -> tuple[str, ...]:
    """The server with the options that say where its own files are; empty when there is none."""
    binary = UNPACKED / "usr/sbin/mariadbd"
    loader = UNPACKED / "usr/lib64/ld-linux-x86-64.so.2"
    if binary.exists():
        libraries = UNPACKED / "usr/lib/x86_64-linux-gnu"
        started = (
            (str(loader), "--library-path", f"{libraries}:{libraries / 'systemd'}") if loader.exists() else ()
        )
        share = UNPACKED / "usr/share/mariadb"
        command = (
            *started,
            str(binary),
            "--no-defaults",
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share / 'charsets'}",
        )
    elif found := shutil.which("mariadbd"):
        command = (found, "--no-defaults")
    else:
        return ()
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"Ver (\d+)\.(\d+)", said)
    return command if version and (int(version[1]), int(version[2])) >= _OLDEST else ()


def _tables() -> str:
    """The statements that make the server's own tables, one file after the other."""
    share = UNPACKED / "usr/share/mariadb"
    if not share.exists():
        share = Path("/usr/share/mariadb")
    files = ("mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql")
    made = "".join((share / name).read_text() for name in files)
    owner = f"FLUSH PRIVILEGES;\nALTER USER root@127.0.0.1 IDENTIFIED BY '{PASSWORD}';\n"
    return f"CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\n{made}{owner}"


class MariaDbServer:
    """One server with its data. It can be stopped and started again at the same port."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="berth-mariadb-"))
        self.sql = SqlServer(free_port(), PASSWORD)
        (self.folder / "data").mkdir()
        self._options = [f"--datadir={self.folder / 'data'}", f"--tmpdir={self.folder}", "--user=root"]
        subprocess.run(
            [*_command(), *self._options, "--bootstrap"],
            input=_tables(),
            text=True,
            capture_output=True,
            check=True,
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *_command(),
                *self._options,
                f"--port={self.sql.port}",
                "--bind-address=127.0.0.1",
                f"--socket={self.folder / 'socket'}",
                f"--pid-file={self.folder / 'pid'}",
                "--innodb-flush-log-at-trx-commit=0",
                "--skip-name-resolve",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self.sql, self.process, 60)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def server() -> MariaDbServer:
    """The server of this process, started once and removed at its end."""
    found = MariaDbServer()
    atexit.register(found.remove)
    return found
