"""ClickHouse in one process (chdb) behind a small HTTP front with the parts of its interface that we use.

Run as a program it is the server: the engine takes 300 MB, and dies with its process.
"""

from __future__ import annotations

import atexit
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from email.parser import BytesParser
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

USER, PASSWORD = "berth", "of tests, no secret"
# Settings of a request that are the server's, not the query's.
_OWN = {"query", "database", "wait_end_of_query", "max_query_size"}


@dataclass(frozen=True, slots=True)
class ClickHouseServer:
    port: int
    host: str = "127.0.0.1"


def missing() -> str:
    """Why it cannot run here."""
    return "" if find_spec("chdb") else "the library chdb is not installed"


@cache
def server() -> ClickHouseServer:
    """The server of this process, started once and ended with it."""
    folder = tempfile.mkdtemp(prefix="berth-clickhouse-")
    process = subprocess.Popen(
        [sys.executable, __file__, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(process.kill)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.strip().isdigit():
        raise RuntimeError("chdb does not start")
    return ClickHouseServer(int(line))


class _Front(BaseHTTPRequestHandler):
    """One request is one statement."""

    protocol_version = "HTTP/1.1"
    engine: Any
    # The engine runs one statement at a time.
    guard = threading.Lock()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if (self.headers["X-ClickHouse-User"], self.headers["X-ClickHouse-Key"]) != (USER, PASSWORD):
            return self._answer(403, "Code: 516. DB::Exception: Authentication failed.")
        kind = self.headers["Content-Type"] or ""
        if kind.startswith("multipart/form-data"):
            given.update(_fields(kind, body))
            statement = given["query"]
        else:
            statement = "\n".join(filter(None, (given.get("query", ""), body.decode())))
        parameters = {
            name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")
        }
        unknown = {name for name in given if not name.startswith("param_")} - _OWN
        if unknown:
            return self._answer(404, f"Code: 115. DB::Exception: Unknown setting {unknown}.")
        return self._run(given.get("database", ""), statement, parameters)

    def _run(self, database: str, statement: str, parameters: dict[str, str]) -> None:
        with self.guard:
            try:
                if database:
                    self.engine.query(f"USE `{database}`")
                form = "TSV" if " FORMAT " not in statement else re.findall(r" FORMAT (\w+)", statement)[-1]
                text = re.sub(r" FORMAT JSONCompactEachRow$", "", statement)
                said = str(self.engine.query(text, form, params=parameters or None))
            except Exception as error:
                return self._answer(404 if "Code: 60" in str(error) else 500, str(error))
        return self._answer(200, said)

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _fields(kind: str, body: bytes) -> dict[str, str]:
    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    parts: Any = message.get_payload()
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode()
        for part in parts
    }


def main() -> None:
    from chdb import session

    _Front.engine = session.Session(str(Path(sys.argv[1]) / "data"))
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _Front)
    print(listening.server_address[1], flush=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
