"""Google Cloud Logging over its REST interface, with the credentials that google-auth finds.

https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list: what is read is a view of the
deployment's log bucket, because its lines are kept out of the project's own bucket. 60 readings a minute and
project are allowed, and repeated when refused. There is no interface that runs SQL over a bucket without
BigQuery: analyses are computed here from the records. Tested against a double that the vendor's own SDK is
held to as well; not proved in the cloud.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import quote, unquote

from cloudberth.errors import InvalidInput, PermissionDenied, Unavailable
from cloudberth.logs._rest import OPTIONS, JsonService, origin_of
from cloudberth.logs.analysis import Analysis, table
from cloudberth.logs.contract import Capabilities, DeploymentLogs, LogReader, Place, Retention, Row
from cloudberth.logs.filter import Filter
from cloudberth.logs.languages import google
from cloudberth.logs.record import Record, moment_of, plain_trace, record_of, value_at
from cloudberth.logs.severity import severity_of
from cloudberth.storage.http.message import Request
from cloudberth.storage.options import Options

_SERVICE = "https://logging.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/logging.read"
_PAGE = 1000
_MOST_COUNTED = 100_000
_BUCKET = re.compile(
    r"projects/(?P<project>[a-z0-9.:-]+)/locations/(?P<region>[a-z0-9-]+)/buckets/(?P<bucket>[\w.-]+)"
)
_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_HINT = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS; the identity needs roles/logging.viewAccessor on the bucket"  # noqa: E501


class GoogleLogging(LogReader):
    """Logs of a bucket, or of a project. groups: service → name of the log; all logs when empty."""

    capabilities = Capabilities("the Logging query language", False, timedelta(minutes=2), 5.0)

    def __init__(
        self,
        resource: str,
        groups: Mapping[str, str] | None = None,
        *,
        endpoint: str | None = None,
        token: Callable[[], str] | None = None,
        options: Options = OPTIONS,
    ) -> None:
        """resource: ``projects/P`` or ``projects/P/locations/L/buckets/B``."""
        self._bucket = _BUCKET.fullmatch(resource)
        self._resource = resource
        self._groups = dict(groups or {})
        self._services = {unquote(log): service for service, log in self._groups.items()}
        self._token = token or _Identity()
        self._service = JsonService(
            origin_of(endpoint, _SERVICE), self._sign, _explain, where="google cloud logging", hint=_HINT,
            options=options,
        )  # fmt: skip

    @classmethod
    def at(cls, place: Place) -> Self:
        unknown = set(place.query) - {"log", "endpoint"}
        if unknown:
            raise InvalidInput(
                f"google-logging:// has no setting {sorted(unknown)[0]!r}", hint="there are: endpoint, log"
            )
        parts = [part for part in place.path.split("/") if part]
        if not _PROJECT.fullmatch(place.host) or len(parts) not in (0, 2):
            raise InvalidInput(
                "the location names no project, or a bucket without its region",
                hint="google-logging://PROJECT or google-logging://PROJECT/REGION/BUCKET",
            )
        resource = f"projects/{place.host}"
        if parts:
            resource += f"/locations/{parts[0]}/buckets/{parts[1]}"
            if not _BUCKET.fullmatch(resource):
                raise InvalidInput(f"{resource[:120]!r} is no log bucket")
        logs = [log for log in place.query.get("log", "").split(",") if log]
        groups = {log: f"projects/{place.host}/logs/{quote(log, safe='')}" for log in logs}
        return cls(resource, groups, endpoint=place.query.get("endpoint"))

    @classmethod
    def of_deployment(cls, logs: DeploymentLogs) -> Self:
        if not _BUCKET.fullmatch(logs.store):
            raise InvalidInput(f"{logs.store[:120]!r} is no log bucket", where="facts.logs.store")
        return cls(logs.store, logs.groups)

    def query(self, filter: Filter, limit: int) -> list[Record]:
        found: list[Record] = []
        for record in self._entries(self.compiled(filter, limit), newest_first=True):
            if filter.matches(record):
                found.append(record)
                if len(found) >= limit:
                    break
        return found[::-1]

    def window(self, filter: Filter) -> Iterator[Record]:
        for record in self._entries(self.compiled(filter, 0), newest_first=False):
            if filter.matches(record):
                yield record

    def raw(self, text: str, since: datetime, until: datetime, limit: int) -> list[Row]:
        span = google.compile_filter(Filter(since, until))
        rows: list[Row] = []
        for entry in self._raw_entries(f"{span} AND ({text})", newest_first=True):
            rows.append(entry)
            if len(rows) >= limit:
                break
        return rows[::-1]

    def analyse(self, analysis: Analysis, since: datetime, until: datetime) -> list[Row]:
        filter = Filter(since, until, analysis.level, analysis.services)
        text = self.compiled(filter, 0)
        if analysis.present:
            text += f" AND jsonPayload.{analysis.present}:*"
        return list(table(analysis, self._counted(self._entries(text, newest_first=True))))

    def compiled(self, filter: Filter, limit: int) -> str:
        for service in filter.services:
            if self._groups and service not in self._groups:
                raise InvalidInput(
                    f"there is no service {service!r}", hint=f"services: {', '.join(sorted(self._groups))}"
                )
        logs = [self._groups[service] for service in filter.services if self._groups]
        return google.compile_filter(filter, logs or self._groups.values())

    def compiled_analysis(self, analysis: Analysis) -> str:
        found = self._bucket
        view = (
            f"{found['project']}.{found['region']}.{found['bucket']}._AllLogs"
            if found
            else "PROJECT.REGION.BUCKET._AllLogs"
        )
        return google.compile_analysis(analysis, view)

    def retention(self) -> list[Retention]:
        if not self._bucket:
            raise InvalidInput(
                "the retention needs the bucket", hint="google-logging://PROJECT/REGION/BUCKET"
            )
        found, _ = self._service.ask("GET", f"/v2/{self._resource}")
        return [Retention(self._resource.rpartition("/")[2], int(found.get("retentionDays") or 30))]

    def close(self) -> None:
        self._service.close()

    def _entries(self, text: str, *, newest_first: bool) -> Iterator[Record]:
        for entry in self._raw_entries(text, newest_first=newest_first):
            yield self._record(entry)

    def _raw_entries(self, text: str, *, newest_first: bool) -> Iterator[Mapping[str, Any]]:
        if len(text) > google.LONGEST:
            raise InvalidInput(f"the filter has {len(text):,} signs; Google takes {google.LONGEST:,}")
        body: dict[str, Any] = {
            "resourceNames": [f"{self._resource}/views/_AllLogs" if self._bucket else self._resource],
            "filter": text,
            "orderBy": "timestamp desc" if newest_first else "timestamp asc",
            "pageSize": _PAGE,
        }
        while True:
            answer, _ = self._service.ask("POST", "/v2/entries:list", body=body)
            yield from answer.get("entries") or ()
            # A page may be empty although others follow.
            if not answer.get("nextPageToken"):
                return
            body["pageToken"] = answer["nextPageToken"]

    def _counted(self, records: Iterable[Record]) -> Iterator[Record]:
        for number, record in enumerate(records):
            if number == _MOST_COUNTED:
                self.remark(
                    f"only the newest {_MOST_COUNTED:,} records are counted; give a shorter time span"
                )
                return
            yield record

    def _record(self, entry: Mapping[str, Any]) -> Record:
        payload = entry.get("jsonPayload") or entry.get("protoPayload")
        raw = json.dumps(payload, ensure_ascii=False) if payload else str(entry.get("textPayload") or "")
        log = unquote(str(entry.get("logName") or ""))
        service = str(value_at(entry, "labels.service") or self._services.get(log) or log.rpartition("/")[2])
        record = record_of(
            raw,
            time=moment_of(entry.get("timestamp")) or moment_of(entry.get("receiveTimestamp")),
            service=service,
            severity=severity_of(entry.get("severity")),
            id=_id_of(entry, raw),
        )
        trace = plain_trace(str(entry.get("trace") or ""))
        if trace and not record.trace:
            # What the entry itself says of the trace belongs to the line, for filters too.
            fields = {**record.fields, "trace_id": trace}
            record = Record(
                record.time, record.message, f"{raw} {trace}", service, record.severity, trace,
                str(entry.get("spanId") or ""), fields, record.id,
            )  # fmt: skip
        return record

    def _sign(self, request: Request) -> None:
        request.headers["authorization"] = f"Bearer {self._token()}"


class _Identity:
    """Tokens of what google-auth finds, renewed when they end."""

    def __init__(self) -> None:
        self._found: Any = None

    def __call__(self) -> str:
        from cloudberth.extras import late_import

        auth = late_import("google.auth", extra="google", needed_for="google-logging")
        exceptions = late_import("google.auth.exceptions", extra="google", needed_for="google-logging")
        transport = late_import("google.auth.transport.requests", extra="google", needed_for="google-logging")
        try:
            if self._found is None:
                self._found, _ = auth.default(scopes=[_SCOPE])
            if not self._found.valid:
                self._found.refresh(transport.Request())
        except exceptions.TransportError:
            raise Unavailable("the sign-in of Google does not answer", where="google-auth") from None
        except exceptions.GoogleAuthError as error:
            line = " ".join(str(error.args[0] if error.args else error).split())[:300]
            raise PermissionDenied(f"no token: {line}", where="google-auth", hint=_HINT) from None
        return str(self._found.token)


def _id_of(entry: Mapping[str, Any], raw: str) -> str:
    """What Google holds to be the same entry: log, time and insertId."""
    given = entry.get("insertId")
    if given:
        return f"{entry.get('logName')}|{given}"
    return hashlib.sha256(f"{entry.get('logName')}|{entry.get('timestamp')}|{raw}".encode()).hexdigest()[:24]


def _explain(body: Mapping[str, Any]) -> tuple[str, str]:
    error = body["error"]
    return str(error.get("status") or ""), str(error.get("message") or "")
