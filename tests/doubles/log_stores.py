"""Doubles of the log stores: wire, credentials, pages, limits and failures as the vendors' pages say.

What they find they find by reading the query (`log_languages`), with nothing of the code under test. `busy`:
so many requests are refused as too many before one is answered. Aggregations are answered from `rows`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from doubles import log_languages as languages
from doubles.log_languages import Line, Malformed
from doubles.server import HttpServer, Request, Response

JSON = {"content-type": "application/json"}


@dataclass
class Store:
    """What the doubles share. page: most lines of an answer. rows: the answer to an aggregation."""

    lines: list[Line] = field(default_factory=list)
    busy: int = 0
    page: int = 1000
    rows: list[dict[str, Any]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        raise NotImplementedError

    def add(self, time: datetime, service: str, raw: str) -> None:
        self.lines.append(Line.of(time, service, raw, len(self.lines)))

    @contextmanager
    def serve(self) -> Iterator[HttpServer]:
        with HttpServer(self.answer) as server:
            yield server

    def is_busy(self) -> bool:
        self.busy -= 1
        return self.busy >= 0


def _json(status: int, body: object, **headers: str) -> Response:
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {**JSON, **extra}, json.dumps(body).encode())


@dataclass
class CloudWatchDouble(Store):
    """Logs Insights: a query is Scheduled, then Running, then Complete. FilterLogEvents, in pages."""

    groups: dict[str, str] = field(default_factory=dict)  # group → service
    running: dict[str, list[list[dict[str, str]]]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    fails: str = ""
    endless: bool = False

    def answer(self, request: Request) -> Response:
        target = request.header("x-amz-target").partition(".")[2]
        body = json.loads(request.body)
        if not request.header("authorization").startswith("AWS4-HMAC-SHA256 Credential="):
            return _json(400, {"__type": "MissingAuthenticationTokenException", "message": "no signature"})
        if self.is_busy():
            return _json(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
        unknown = [
            group
            for group in [*body.get("logGroupNames", ()), *filter(None, [body.get("logGroupName")])]
            if group not in self.groups
        ]
        if unknown:
            return _json(400, {"__type": "ResourceNotFoundException", "message": f"no group {unknown[0]}"})
        return {
            "StartQuery": self.start,
            "GetQueryResults": self.results,
            "StopQuery": self.stop,
            "FilterLogEvents": self.filter,
        }[target](body)

    def start(self, body: dict[str, Any]) -> Response:
        query = body["queryString"]
        self.queries.append(query)
        groups = [self.groups[group] for group in body["logGroupNames"]]
        chosen = [
            line
            for line in self.lines
            if line.service in groups and body["startTime"] <= line.time.timestamp() <= body["endTime"]
        ]
        if " stats " in query or query.startswith("stats"):
            found = [[{"field": k, "value": str(v)} for k, v in row.items()] for row in self.rows]
        else:
            try:
                lines = languages.insights(query, chosen)[: body.get("limit", 10_000)]
            except Malformed as error:
                return _json(400, {"__type": "MalformedQueryException", "message": str(error)})
            found = [self.row(line) for line in lines]
        name = f"query-{len(self.running)}"
        self.running[name] = found
        return _json(200, {"queryId": name})

    def row(self, line: Line) -> list[dict[str, str]]:
        group = next(group for group, service in self.groups.items() if service == line.service)
        cells = {
            "@timestamp": line.time.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            "@message": line.raw,
            "@log": f"123456789012:{group}",
            "@ptr": f"ptr-{line.number}",
        }
        return [{"field": name, "value": value} for name, value in cells.items()]

    def results(self, body: dict[str, Any]) -> Response:
        name = body["queryId"]
        self.asked[name] = self.asked.get(name, 0) + 1
        if self.fails:
            return _json(200, {"status": self.fails, "results": []})
        if self.endless or self.asked[name] < 3:
            return _json(200, {"status": "Scheduled" if self.asked[name] == 1 else "Running", "results": []})
        return _json(200, {"status": "Complete", "results": self.running[name]})

    def stop(self, body: dict[str, Any]) -> Response:
        self.stopped.append(body["queryId"])
        return _json(200, {"success": True})

    def filter(self, body: dict[str, Any]) -> Response:
        """All lines of the time in pages, some of them empty: patterns are only held to their length."""
        if len(body.get("filterPattern", "")) > 1024:
            return _json(400, {"__type": "InvalidParameterException", "message": "the pattern is too long"})
        service = self.groups[body["logGroupName"]]
        found = [
            line
            for line in self.lines
            if line.service == service
            and body["startTime"] <= line.time.timestamp() * 1000 <= body["endTime"]
        ]
        start = int(body.get("nextToken", "0"))
        if start == 0 and "nextToken" not in body and len(found) > self.page:
            return _json(200, {"events": [], "nextToken": "0"})
        events = [
            {
                "eventId": f"e{line.number}",
                "timestamp": int(line.time.timestamp() * 1000),
                "message": line.raw,
            }
            for line in found[start : start + self.page]
        ]
        more = {"nextToken": str(start + self.page)} if start + self.page < len(found) else {}
        return _json(200, {"events": events, **more})


@dataclass
class AzureDouble(Store):
    """api.loganalytics.azure.com and the tables of management.azure.com, behind a bearer token."""

    tokens: set[str] = field(default_factory=lambda: {"token-1"})
    partial: bool = False

    def answer(self, request: Request) -> Response:
        scheme, _, token = request.header("authorization").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            error = {"code": "InvalidTokenError", "message": "Valid authentication was not provided"}
            return _json(401, {"error": error})
        if self.is_busy():
            error = {"code": "ThrottledError", "message": "too many requests"}
            return _json(429, {"error": error}, retry_after="0")
        if "/tables/" in request.path:
            return _json(200, {"properties": {"retentionInDays": 30, "totalRetentionInDays": 45}})
        if (
            request.method != "POST"
            or not request.path.startswith("/v1/")
            or not request.path.endswith("/query")
        ):
            return _json(404, {"error": {"code": "PathNotFoundError", "message": "no such path"}})
        body = json.loads(request.body)
        self.queries.append(body["query"])
        if "summarize" in body["query"]:
            return _json(200, {"tables": [_table(self.rows)]})
        start, _, end = body["timespan"].partition("/")
        span = [
            line
            for line in self.lines
            if datetime.fromisoformat(start) <= line.time <= datetime.fromisoformat(end)
        ]
        try:
            found = languages.kql(body["query"], span)
        except Malformed as error:
            inner = {"code": "SyntaxError", "message": f"a syntax error: {error}"}
            outer = {"code": "BadArgumentError", "message": "The request had some invalid properties"}
            return _json(400, {"error": {**outer, "innererror": inner}})
        rows = [
            {
                "TimeGenerated": line.time.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
                "Service": line.service,
                "Machine": "vm-1",
                "Message": line.raw,
            }
            for line in found
        ]
        answer: dict[str, Any] = {"tables": [_table(rows)]}
        if self.partial:
            inner = {"code": "QueryExecutionError", "message": "the result is too large"}
            answer["error"] = {"code": "PartialError", "message": "There were errors", "innererror": inner}
        return _json(200, answer)


def _table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = list(rows[0]) if rows else ["TimeGenerated", "Service", "Machine", "Message"]
    columns = [{"name": name, "type": "datetime" if name == "TimeGenerated" else "string"} for name in names]
    return {
        "name": "PrimaryResult",
        "columns": columns,
        "rows": [[row[name] for name in names] for row in rows],
    }


@dataclass
class GoogleLogsDouble(Store):
    """logging.googleapis.com: entries:list, and buckets. resource: the only one that may be read."""

    resource: str = "projects/shop-1/locations/europe-west1/buckets/shop/views/_AllLogs"
    tokens: set[str] = field(default_factory=lambda: {"token-1"})
    deployment: str = "cloudberth-shop"

    def answer(self, request: Request) -> Response:
        scheme, _, token = request.header("authorization").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if self.is_busy():
            return _error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Read requests'")
        if request.method == "GET":
            return _json(200, {"name": request.path.removeprefix("/v2/"), "retentionDays": 45})
        if request.path != "/v2/entries:list":
            return _error(404, "NOT_FOUND", "no such method")
        body = json.loads(request.body)
        if body.get("resourceNames") not in ([self.resource], [self.resource.partition("/locations")[0]]):
            return _error(403, "PERMISSION_DENIED", "Permission denied for all log views")
        self.queries.append(body["filter"])
        try:
            found = languages.google(body["filter"], self.lines, self.log_of, self.grade_of)
        except (Malformed, KeyError) as error:
            return _error(400, "INVALID_ARGUMENT", f"Unparseable filter: {error}")
        newest_first = body.get("orderBy") == "timestamp desc"
        found.sort(key=lambda line: (line.time, line.number), reverse=newest_first)
        start = int(body.get("pageToken", "0"))
        size = min(self.page, body.get("pageSize", self.page))
        answer: dict[str, Any] = {"entries": [self.entry(line) for line in found[start : start + size]]}
        if start + size < len(found):
            answer["nextPageToken"] = str(start + size)
        return _json(200, answer)

    def log_of(self, line: Line) -> str:
        return f"projects/shop-1/logs/{self.deployment}-{quote(line.service, safe='')}"

    def grade_of(self, line: Line) -> int:
        word = str(line.fields.get("severity") or line.fields.get("level") or "DEFAULT").upper()
        return languages.GRADES.get({"FATAL": "CRITICAL"}.get(word, word), 0)

    def entry(self, line: Line) -> dict[str, Any]:
        names = {number: name for name, number in languages.GRADES.items()}
        payload = {"jsonPayload": line.fields} if line.fields else {"textPayload": line.raw}
        return {
            "logName": self.log_of(line),
            "timestamp": line.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "severity": names[self.grade_of(line)],
            "insertId": f"i{line.number}",
            "labels": {"service": line.service},
            "resource": {"type": "gce_instance", "labels": {}},
            **payload,
        }


def _error(status: int, word: str, message: str) -> Response:
    return _json(status, {"error": {"code": status, "message": message, "status": word}})


@dataclass
class SlsDouble(Store):
    """A project of SLS: checks signatures of both versions, written from the vendor's page on them.

    incomplete: so many answers say that the search is not finished.
    """

    project: str = "shop"
    keys: dict[str, str] = field(default_factory=lambda: {"LTAI-key": "the-secret"})
    store: str = "lines"
    incomplete: int = 0

    def answer(self, request: Request) -> Response:
        refused = self.refused(request)
        if refused:
            return _json(401, {"errorCode": "SignatureNotMatch", "errorMessage": refused})
        if self.is_busy():
            return _json(429, {"errorCode": "ReadQuotaExceed", "errorMessage": "too many reads"})
        if request.path != f"/logstores/{self.store}":
            return _json(404, {"errorCode": "LogStoreNotExist", "errorMessage": "no such log store"})
        query = request.query
        if "type" not in query:
            return _json(200, {"logstoreName": self.store, "ttl": 45, "shardCount": 2})
        self.queries.append(query["query"])
        if "|" in query["query"]:
            return _json(200, self.rows, x_log_progress="Complete")
        if self.incomplete > 0:
            self.incomplete -= 1
            return _json(200, [], x_log_progress="Incomplete")
        try:
            found = languages.sls(query["query"], self.lines)
        except Malformed as error:
            return _json(400, {"errorCode": "ParameterInvalid", "errorMessage": f"ErrorPosition: {error}"})
        found = [line for line in found if int(query["from"]) <= line.time.timestamp() < int(query["to"])]
        found.sort(key=lambda line: (line.time, line.number), reverse=query["reverse"] == "true")
        start, size = int(query["offset"]), min(int(query["line"]), 100)
        return _json(200, [self.row(line) for line in found[start : start + size]], x_log_progress="Complete")

    def row(self, line: Line) -> dict[str, Any]:
        seconds = int(line.time.timestamp())
        members = {name: _kept(value) for name, value in line.fields.items()} or {"content": line.raw}
        return {
            "__time__": str(seconds),
            "__time_ns_part__": str(line.time.microsecond * 1000),
            "__source__": "10.0.0.1",
            "__topic__": line.service,
            "__tag__:__pack_id__": f"P-{line.number}",
            **members,
        }

    def refused(self, request: Request) -> str:
        """Why the signature is not that of the request; empty when it is."""
        if not request.host.startswith(f"{self.project}."):
            return f"no project in {request.host}"
        header = request.header("authorization")
        if header.startswith("LOG "):
            key, _, signature = header[4:].partition(":")
            return "" if hmac.compare_digest(signature, self.version_1(request, key)) else "version 1"
        algorithm, _, rest = header.partition(" ")
        parts = dict(part.split("=", 1) for part in rest.split(","))
        key, day, region, *_ = parts["Credential"].split("/")
        if algorithm != "SLS4-HMAC-SHA256" or not request.header("x-log-date").startswith(day):
            return "no known signature"
        return (
            ""
            if hmac.compare_digest(parts["Signature"], self.version_4(request, key, day, region))
            else "version 4"
        )

    def version_1(self, request: Request, key: str) -> str:
        pairs = "&".join(f"{name}={value}" for name, value in sorted(request.pairs))
        ours = ("x-log-", "x-acs-")
        own = [f"{name}:{value}" for name, value in sorted(request.headers.items()) if name.startswith(ours)]
        lines = [
            request.method, request.header("content-md5"), request.header("content-type"),
            request.header("date"), *own, request.path + (f"?{pairs}" if pairs else ""),
        ]  # fmt: skip
        secret = self.keys.get(key, "").encode()
        return base64.b64encode(hmac.new(secret, "\n".join(lines).encode(), hashlib.sha1).digest()).decode()

    def version_4(self, request: Request, key: str, day: str, region: str) -> str:
        signed = {
            name: value
            for name, value in sorted(request.headers.items())
            if name in ("host", "content-type") or name.startswith(("x-log-", "x-acs-"))
        }
        query = "&".join(
            f"{name}={quote(value, safe='-_.~')}" if value else name for name, value in sorted(request.pairs)
        )
        canonical = "\n".join(
            [request.method, request.path, query, "".join(f"{k}:{v}\n" for k, v in signed.items()),
             ";".join(signed), hashlib.sha256(request.body).hexdigest()]
        )  # fmt: skip
        scope = f"{day}/{region}/sls/aliyun_v4_request"
        text = "\n".join(
            [
                "SLS4-HMAC-SHA256",
                request.header("x-log-date"),
                scope,
                hashlib.sha256(canonical.encode()).hexdigest(),
            ]
        )
        secret = b"aliyun_v4" + self.keys.get(key, "").encode()
        for part in (day, region, "sls", "aliyun_v4_request"):
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def _kept(value: Any) -> str:
    """SLS keeps texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def now() -> datetime:
    return datetime.now(UTC)
