"""A double of ClickZetta: log-in, SQL jobs over volumes, and the object store behind signed URLs.

After what clickzetta-connector-python 0.8.109 sends and reads, and the public documentation of PUT, GET, LIST
and REMOVE. Results are text or Arrow, as the job asks. Every third LIST is not done at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import itertools
import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from secrets import token_hex
from typing import Any
from urllib.parse import quote, unquote

import pyarrow

from doubles.server import HttpServer, Request, Response
from doubles.store import Bucket, Refusal, Store, cut_range

VOLUME = r"(?P<volume>USER VOLUME|VOLUME [\w.]+|TABLE VOLUME [\w.]+)"
STATEMENTS = {
    "PUT": re.compile(rf"PUT '(?P<local>[^']*)' TO {VOLUME} FILE '(?P<path>[^']*)'"),
    "GET": re.compile(rf"GET {VOLUME} FILE '(?P<path>[^']*)' TO '(?P<local>[^']*)'"),
    "LIST": re.compile(
        rf"LIST {VOLUME}(?: SUBDIRECTORY '(?P<folder>[^']*)')?(?: REGEXP = '(?P<regexp>[^']*)')?"
    ),
    "REMOVE": re.compile(rf"REMOVE {VOLUME} FILE '(?P<path>[^']*)'"),
}
LISTED = ("relative_path", "url", "size", "last_modified_time")
Row = Sequence[str | int]


class ClickZettaDouble:
    """An instance with one user. arrow: answer in Arrow whatever is asked; seconds: how long tokens last."""

    def __init__(
        self, user: str, password: str, instance: str, *, arrow: bool = False, seconds: float = 7200
    ) -> None:
        self.store = Store(time.time)
        self.login = {"username": user, "password": password, "instanceName": instance}
        self.instance = instance
        self.arrow = arrow
        self.seconds = seconds
        self.tokens: dict[str, float] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.statements: list[str] = []
        self._count = itertools.count(1)
        self._secret = token_hex(16)
        self.create_volume("USER VOLUME")

    def serve(self) -> HttpServer:
        return HttpServer(self.handle)

    def create_volume(self, name: str) -> None:
        """name: as SQL has it: ``VOLUME mine``, ``TABLE VOLUME dataset_1``."""
        self.store.create_bucket(name, "", "user")

    def handle(self, request: Request) -> Response:
        if request.raw_path.startswith("/signed/"):
            return self.signed(request)
        members = json.loads(request.body or b"{}")
        if request.raw_path == "/clickzetta-portal/user/loginSingle":
            if members != self.login:
                return _json({"code": 10003, "message": "username or password is wrong", "data": None})
            token = token_hex(16)
            self.tokens[token] = time.time() + self.seconds
            return _json(
                {"code": 0, "message": "OK", "data": {"token": token, "instanceName": self.instance}}
            )
        ends = self.tokens.get(request.header("x-clickzetta-token"), 0.0)
        if ends <= time.time() or request.header("instancename") != self.instance:
            return _json({"requestId": "1", "message": "Illegal authorization"}, 401)
        if request.raw_path == "/lh/submitJob":
            return self.submit(members["jobDesc"], request.authority)
        if request.raw_path == "/lh/getJob":
            return _json(self.jobs[members["get_result_request"]["job_id"]["id"]])
        return _json({"message": "not found"}, 404)

    # -- jobs ------------------------------------------------------------------------------------------------

    def submit(self, job: Mapping[str, Any], authority: str) -> Response:
        (sql,) = job["sqlJob"]["query"]
        hints = job["sqlJob"]["sqlConfig"]["hint"]
        arrow = self.arrow or hints.get("cz.sql.adhoc.default.format") == "ARROW"
        self.statements.append(sql)
        try:
            answer = {
                "status": {"state": "SUCCEED"},
                **self.run(sql.strip().rstrip(";").strip(), authority, arrow),
            }
        except Refusal as refusal:
            answer = {
                "status": {"state": "FAILED", "errorCode": refusal.code, "errorMessage": refusal.message}
            }
        self.jobs[job["jobId"]["id"]] = answer
        if sql.startswith("LIST") and next(self._count) % 3 == 0:
            return _json({"status": {"state": "RUNNING"}})
        return _json(answer)

    def run(self, sql: str, authority: str, arrow: bool) -> dict[str, Any]:
        command = sql.partition(" ")[0].upper()
        statement = STATEMENTS[command].fullmatch(sql) if command in STATEMENTS else None
        if statement is None:
            raise Refusal("CZLH-42000", 400, f"Syntax error at or near position 1: {sql[:40]}")
        volume = statement["volume"]
        if volume not in self.store.buckets:
            raise Refusal("CZLH-42704", 400, f"{volume.lower()} not found")
        bucket = self.store.bucket(volume)
        if command == "LIST":
            rows = self.listed(bucket, statement["folder"] or "", statement["regexp"] or "")
            return result(LISTED, rows, arrow)
        if command == "REMOVE":
            if not self.store.delete(bucket, statement["path"]):
                raise Refusal("CZLH-42704", 400, f"file {statement['path']} does not exist")
            return {"resultSet": {}}
        outcome = self.ticket(bucket, command, statement["path"], statement["local"], authority)
        return result(("result",), [(json.dumps(outcome, ensure_ascii=False),)], arrow)

    def listed(self, bucket: Bucket, folder: str, regexp: str) -> list[Row]:
        """Files below a folder, newest first: in no order that anybody may rely on."""
        below = f"{folder.strip('/')}/" if folder.strip("/") else ""
        found = sorted(bucket.objects.values(), key=lambda stored: -stored.modified)
        return [
            (
                stored.key,
                f"oss://lakehouse/{bucket.name.replace(' ', '-')}/{stored.key}",
                len(stored.data),
                datetime.fromtimestamp(stored.modified, UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
            )
            for stored in found
            if stored.key.startswith(below) and (not regexp or re.search(regexp, stored.key))
        ]

    def ticket(self, bucket: Bucket, command: str, path: str, local: str, authority: str) -> dict[str, Any]:
        request = {
            "command": command,
            "localPaths": [local],
            "volumeIdentifier": bucket.name,
            "file": path,
            "options": [],
        }
        if command == "GET" and path not in bucket.objects:
            return {"status": "FAILED", "request": request, "error": f"file {path} not found"}
        ends = int(time.time()) + 3600
        target = f"/signed/{quote(bucket.name, safe='')}/{quote(path)}"
        signature = self.signature(command, target, ends)
        url = f"http://{authority}{target}?Expires={ends}&Signature={quote(signature, safe='')}"
        return {"status": "SUCCESS", "request": request, "ticket": {"presignedUrls": [url]}}

    # -- the object store ------------------------------------------------------------------------------------

    def signature(self, method: str, target: str, ends: int) -> str:
        text = f"{method}\n{target}\n{ends}"
        return base64.b64encode(
            hmac.new(self._secret.encode(), text.encode(), hashlib.sha1).digest()
        ).decode()

    def signed(self, request: Request) -> Response:
        ends = int(request.query.get("Expires", "0"))
        expected = self.signature(request.method, request.raw_path, ends)
        if ends <= time.time() or not hmac.compare_digest(request.query.get("Signature", ""), expected):
            return _xml("AccessDenied", 403)
        volume, path = (unquote(part) for part in request.raw_path.removeprefix("/signed/").split("/", 1))
        bucket = self.store.bucket(volume)
        if request.method == "PUT":
            stored = self.store.put(bucket, path, request.body)
            return Response(200, {"etag": f'"{stored.etag}"'})
        stored_or_none = bucket.objects.get(path)
        if stored_or_none is None:
            return _xml("NoSuchKey", 404)
        data = stored_or_none.data
        headers = {
            "etag": f'"{stored_or_none.etag}"',
            "last-modified": formatdate(stored_or_none.modified, usegmt=True),
        }
        if request.header("range"):
            try:
                span = cut_range(request.header("range"), len(data))
            except Refusal:
                return _xml("InvalidRange", 416)
            if span is not None:
                headers["content-range"] = f"bytes {span[0]}-{span[1]}/{len(data)}"
                return Response(206, headers, memoryview(data)[span[0] : span[1] + 1])
        return Response(200, headers, data)


def result(names: Sequence[str], rows: Sequence[Row], arrow: bool) -> dict[str, Any]:
    """A result set, embedded."""
    fields = [
        {"name": name, "type": {"category": "INT64" if name == "size" else "STRING", "nullable": True}}
        for name in names
    ]
    if arrow:
        data = [_arrow(names, rows)] if rows else []
    else:
        data = ["\n".join(",".join(map(str, row)) for row in rows).encode()] if rows else []
    return {
        "resultSet": {
            "metadata": {"format": "ARROW" if arrow else "TEXT", "fields": fields},
            "data": {"data": [base64.b64encode(piece).decode() for piece in data]},
        }
    }


def _arrow(names: Sequence[str], rows: Sequence[Row]) -> bytes:
    table = pyarrow.table({name: [row[at] for row in rows] for at, name in enumerate(names)})
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _json(value: object, status: int = 200) -> Response:
    return Response(
        status, {"content-type": "application/json"}, json.dumps(value, ensure_ascii=False).encode()
    )


def _xml(code: str, status: int) -> Response:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    )
    return Response(status, {"content-type": "application/xml"}, text.encode())
