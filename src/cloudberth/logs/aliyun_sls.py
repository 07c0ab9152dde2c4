"""Alibaba Cloud's Simple Log Service over its REST interface, signed here.

https://www.alibabacloud.com/help/en/sls/developer-reference/api-sls-2020-12-30-getlogs: 100 lines a page, and
an answer may be incomplete (``x-log-progress``), which is asked again. The vendor's SDK pins a protobuf that
nothing else here can live with, and puts the project in front of addresses that have none. Keys come from
ALIYUN_SLS_ACCESS_KEY_ID and ALIYUN_SLS_ACCESS_KEY_SECRET (Dify's names), else from Alibaba's own chain.
Tested against a double that checks signatures as the vendor's SDK makes them; not proved in the cloud.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from cloudberth.errors import BackendError, InvalidInput, Kind
from cloudberth.logs._rest import OPTIONS, JsonService
from cloudberth.logs.analysis import Analysis
from cloudberth.logs.contract import Capabilities, DeploymentLogs, LogReader, Place, Retention, Row
from cloudberth.logs.filter import Filter
from cloudberth.logs.languages import sls
from cloudberth.logs.record import Record, moment_of, record_of
from cloudberth.logs.sls_signing import headers_v1, headers_v4
from cloudberth.storage.credentials import Credentials, Provider, fixed
from cloudberth.storage.http.message import Origin, Request, encode
from cloudberth.storage.options import Options

_PAGE = 100
_FOR_EVER = 3650
_TRIES = 30
_PROJECT = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_STORE = re.compile(r"[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]")
_REGION = re.compile(r"([a-z]+-[a-z0-9-]+?)(?:-intranet|-share|-internal)?\.(?:log|sls)\.aliyuncs\.com")
_HINT = "set ALIYUN_SLS_ACCESS_KEY_ID and ALIYUN_SLS_ACCESS_KEY_SECRET; the key needs log:GetLogStoreLogs"


class AliyunSls(LogReader):
    """A log store. endpoint: host of the region, without the project; region: signs version 4, else 1."""

    capabilities = Capabilities("the search of SLS, and SQL after |", True, timedelta(minutes=1), 3.0)

    def __init__(
        self,
        project: str,
        store: str,
        endpoint: str,
        *,
        region: str = "",
        proxy: str | None = None,
        credentials: Provider | None = None,
        options: Options = OPTIONS,
    ) -> None:
        """proxy: to go through, in plain HTTP to the endpoint: for tests, and gateways that end TLS."""
        if not _PROJECT.fullmatch(project) or not _STORE.fullmatch(store):
            raise InvalidInput(
                f"{project[:80]}/{store[:80]} is no project and log store",
                hint="sls://PROJECT.cn-hangzhou.log.aliyuncs.com/LOGSTORE",
            )
        self._store = store
        self._host = f"{project}.{endpoint}"
        found = _REGION.fullmatch(endpoint)
        self._region = region or (found[1] if found else "")
        self._credentials = credentials
        self._service = JsonService(
            Origin.parse(f"{'http' if proxy else 'https'}://{self._host}"), self._sign, _explain,
            where=f"sls {project}/{store}", hint=_HINT, options=options, proxy=proxy,
        )  # fmt: skip

    @classmethod
    def at(cls, place: Place) -> Self:
        unknown = set(place.query) - {"region"}
        if unknown:
            raise InvalidInput(f"sls:// has no setting {sorted(unknown)[0]!r}", hint="there is: region")
        project, _, endpoint = place.host.partition(".")
        return cls(
            project or os.environ.get("ALIYUN_SLS_PROJECT_NAME", ""),
            place.path.strip("/"),
            endpoint or os.environ.get("ALIYUN_SLS_ENDPOINT", ""),
            region=place.query.get("region", ""),
        )

    @classmethod
    def of_deployment(cls, logs: DeploymentLogs) -> Self:
        raise InvalidInput(
            "Cloudberth makes no deployments on Alibaba Cloud", hint="read a log store with --from sls://…"
        )

    def query(self, filter: Filter, limit: int) -> list[Record]:
        found: list[Record] = []
        for row in self._rows(sls.compile_filter(filter), filter.since, filter.until, newest_first=True):
            record = _record(row)
            if filter.matches(record):
                found.append(record)
                if len(found) >= limit:
                    break
        return sorted(found, key=lambda record: record.time)

    def window(self, filter: Filter) -> Iterator[Record]:
        for row in self._rows(sls.compile_filter(filter), filter.since, filter.until, newest_first=False):
            record = _record(row)
            if filter.matches(record):
                yield record

    def raw(self, text: str, since: datetime, until: datetime, limit: int) -> list[Row]:
        if "|" in text:
            return self._page(text, since, until, 0, True)[:limit]
        rows: list[Row] = []
        for row in self._rows(text, since, until, newest_first=True):
            rows.append(row)
            if len(rows) >= limit:
                break
        return rows[::-1]

    def analyse(self, analysis: Analysis, since: datetime, until: datetime) -> list[Row]:
        rows = self._page(sls.compile_analysis(analysis), since, until, 0, True)
        return [{column: row.get(column, "") for column in analysis.columns} for row in rows]

    def compiled(self, filter: Filter, limit: int) -> str:
        return sls.compile_filter(filter)

    def compiled_analysis(self, analysis: Analysis) -> str:
        return sls.compile_analysis(analysis)

    def retention(self) -> list[Retention]:
        found, _ = self._service.ask("GET", f"/logstores/{encode(self._store)}")
        days = int(found.get("ttl") or _FOR_EVER)
        return [Retention(self._store, None if days >= _FOR_EVER else days)]

    def close(self) -> None:
        self._service.close()

    def _rows(self, text: str, since: datetime, until: datetime, *, newest_first: bool) -> Iterator[Row]:
        offset = 0
        while True:
            page = self._page(text, since, until, offset, newest_first)
            yield from page
            if len(page) < _PAGE:
                return
            offset += len(page)

    def _page(
        self, text: str, since: datetime, until: datetime, offset: int, newest_first: bool
    ) -> list[Row]:
        query = {
            "type": "log",
            "from": str(math.floor(since.timestamp())),
            # The end does not belong to the span there either, and counts in seconds.
            "to": str(math.ceil(until.timestamp())),
            "query": text,
            "line": str(_PAGE),
            "offset": str(offset),
            "reverse": "true" if newest_first else "false",
        }
        rows: list[Row] = []
        for attempt in range(_TRIES):
            answer, response = self._service.ask(
                "GET", f"/logstores/{encode(self._store)}", query=tuple(query.items())
            )
            if not isinstance(answer, list):
                raise BackendError("the answer is no list", kind=Kind.UNEXPECTED, where=self._service.where)
            rows = answer
            if response.header("x-log-progress") != "Incomplete":
                return rows
            time.sleep(min(0.2 * (attempt + 1), 2.0))
        self.remark("the store did not finish the search in time: lines may be missing")
        return rows

    def _sign(self, request: Request) -> None:
        if self._credentials is None:
            self._credentials = _environment()
        keys, now = self._credentials(), datetime.now(UTC)
        query, headers = dict(request.query), {**request.headers, "x-log-bodyrawsize": "0"}
        if self._region:
            signed = headers_v4(
                request.method,
                request.path,
                query,
                {**headers, "host": self._host},
                b"",
                keys,
                now,
                self._region,
            )
        else:
            signed = headers_v1(request.method, request.path, query, headers, b"", keys, now)
        signed.pop("host", None)  # the client writes it
        request.headers.clear()
        request.headers.update(signed)


def _environment() -> Provider:
    names = ("ALIYUN_SLS_ACCESS_KEY_ID", "ALIYUN_SLS_ACCESS_KEY_SECRET")
    key, secret = (os.environ.get(name, "").strip() for name in names)
    if key and secret:
        return fixed(Credentials(key, secret, source=names[0]))
    from cloudberth.storage.credentials_aliyun import aliyun_chain

    return aliyun_chain(OPTIONS)


def _record(row: Mapping[str, Any]) -> Record:
    """A line whose members the collector made fields of its own, or that it kept as ``content``."""
    seconds = float(row.get("__time__") or 0)
    exact = moment_of(seconds) or datetime.fromtimestamp(0, UTC)
    nanoseconds = row.get("__time_ns_part__")
    if nanoseconds:
        exact += timedelta(microseconds=int(nanoseconds) // 1000)
    members = {name: _unpacked(value) for name, value in row.items() if not name.startswith("__")}
    content = members.get("content")
    raw = (
        content if isinstance(content, str) and len(members) == 1 else json.dumps(members, ensure_ascii=False)
    )
    tags = [str(row[name]) for name in ("__source__", "__tag__:__pack_id__") if name in row]
    text = "|".join([str(row.get("__time__")), str(nanoseconds or ""), *tags, raw])
    short = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]
    service = str(row.get("service") or row.get("__tag__:_container_name_") or row.get("__topic__") or "")
    return record_of(raw, time=exact, service=service, id=short)


def _unpacked(value: Any) -> Any:
    """SLS keeps texts alone: objects and lists come as the JSON that they were."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _explain(body: Mapping[str, Any]) -> tuple[str, str]:
    return str(body.get("errorCode") or ""), str(body.get("errorMessage") or "")
