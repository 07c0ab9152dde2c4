"""Azure Monitor Logs over its REST interface, with the sign-in of azure-identity.

https://learn.microsoft.com/azure/azure-monitor/logs/api/request-format: a query about a workspace, by its
resource id or its GUID. https://learn.microsoft.com/azure/azure-monitor/service-limits: 500,000 rows, 100 MB
and ten minutes a query, 200 queries in 30 seconds. Lines show up some minutes late (`capabilities.late`).
Tested against a double that the vendor's own SDK is held to as well; not proved in the cloud.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from cloudberth.errors import BackendError, InvalidInput, Kind, PermissionDenied, Unavailable
from cloudberth.logs._rest import OPTIONS, JsonService, origin_of
from cloudberth.logs.analysis import Analysis
from cloudberth.logs.contract import Capabilities, DeploymentLogs, LogReader, Place, Retention, Row, in_slices
from cloudberth.logs.filter import Filter
from cloudberth.logs.languages import kql
from cloudberth.logs.record import Record, moment_of, record_of, time_text
from cloudberth.storage.http.message import Request, encode_key
from cloudberth.storage.options import Options

_QUERY_SCOPE = "https://api.loganalytics.azure.com/.default"
_MANAGEMENT_SCOPE = "https://management.azure.com/.default"
_QUERY = "https://api.loganalytics.azure.com"
_MANAGEMENT = "https://management.azure.com"
_TABLES_API = "2022-10-01"
_RESOURCE = re.compile(
    r"/subscriptions/[\w-]+/resourceGroups/[\w.()-]+/providers/Microsoft\.OperationalInsights/workspaces/[\w-]+",
    re.I,
)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_HINT = "run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; the identity needs Log Analytics Reader on the workspace"  # noqa: E501

Token = Callable[[str], str]
"""A bearer token for a scope."""


class AzureMonitor(LogReader):
    """The table of a workspace. workspace: resource id, or GUID (which cannot tell the retention)."""

    capabilities = Capabilities("KQL", True, timedelta(minutes=15), 10.0)

    def __init__(
        self,
        workspace: str,
        *,
        table: str = kql.TABLE,
        endpoint: str | None = None,
        token: Token | None = None,
        options: Options = OPTIONS,
    ) -> None:
        if not (_RESOURCE.fullmatch(workspace) or _GUID.fullmatch(workspace)):
            raise InvalidInput(
                f"{workspace[:120]!r} is no Log Analytics workspace",
                hint="azure-monitor:///subscriptions/…/workspaces/NAME, or azure-monitor://GUID",
            )
        if not _TABLE.fullmatch(table):
            raise InvalidInput(f"{table[:80]!r} is no name of a table")
        self._workspace = workspace
        self._table = table
        self._token = token or _Identity()
        where = f"azure workspace {workspace.rpartition('/')[2]}"
        self._queries = JsonService(
            origin_of(endpoint, _QUERY),
            self._signed(_QUERY_SCOPE),
            _explain,
            where=where,
            hint=_HINT,
            options=options,
        )
        self._management = JsonService(
            origin_of(endpoint, _MANAGEMENT), self._signed(_MANAGEMENT_SCOPE), _explain, where=where,
            hint=_HINT, options=options,
        )  # fmt: skip

    @classmethod
    def at(cls, place: Place) -> Self:
        unknown = set(place.query) - {"table", "endpoint"}
        if unknown:
            raise InvalidInput(
                f"azure-monitor:// has no setting {sorted(unknown)[0]!r}", hint="there are: endpoint, table"
            )
        return cls(
            place.host or place.path.rstrip("/"),
            table=place.query.get("table", kql.TABLE),
            endpoint=place.query.get("endpoint"),
        )

    @classmethod
    def of_deployment(cls, logs: DeploymentLogs) -> Self:
        return cls(logs.store)

    def query(self, filter: Filter, limit: int) -> list[Record]:
        return in_slices(self._page, filter, limit, kql.MOST_ROWS, self.remark)

    def window(self, filter: Filter) -> Iterator[Record]:
        found = self.query(filter, kql.MOST_ROWS)
        if len(found) == kql.MOST_ROWS:
            self.remark(f"more than {kql.MOST_ROWS:,} lines in one look: older ones are left out")
        yield from found

    def raw(self, text: str, since: datetime, until: datetime, limit: int) -> list[Row]:
        return self._run(text, since, until)[:limit]

    def analyse(self, analysis: Analysis, since: datetime, until: datetime) -> list[Row]:
        return self._run(kql.compile_analysis(analysis, self._table), since, until)

    def compiled(self, filter: Filter, limit: int) -> str:
        return kql.compile_filter(filter, limit, self._table)

    def compiled_analysis(self, analysis: Analysis) -> str:
        return kql.compile_analysis(analysis, self._table)

    def retention(self) -> list[Retention]:
        if not self._workspace.startswith("/"):
            raise InvalidInput(
                "the retention needs the workspace's id",
                hint="azure-monitor:///subscriptions/…/workspaces/NAME",
            )
        path = f"{encode_key(self._workspace)}/tables/{self._table}"
        found, _ = self._management.ask("GET", path, query=(("api-version", _TABLES_API),))
        properties = found.get("properties") or {}
        days = properties.get("totalRetentionInDays") or properties.get("retentionInDays")
        return [Retention(self._table, None if days in (None, -1) else int(days))]

    def close(self) -> None:
        self._queries.close()
        self._management.close()

    def _page(self, filter: Filter, limit: int) -> list[Record]:
        rows = self._run(kql.compile_filter(filter, limit, self._table), filter.since, filter.until)
        return [_record(row) for row in rows]

    def _run(self, text: str, since: datetime, until: datetime) -> list[Row]:
        if self._workspace.startswith("/"):
            path = f"/v1{encode_key(self._workspace)}/query"
        else:
            path = f"/v1/workspaces/{self._workspace}/query"
        body = {"query": text, "timespan": f"{time_text(since)}/{time_text(until)}"}
        answer, _ = self._queries.ask("POST", path, body=body, headers={"prefer": "wait=180"})
        error = answer.get("error")
        if error:
            # Part of an answer stands beside it: it is shown, and so is that it is a part.
            self.remark(f"the answer is not complete: {_explain({'error': error})[1] or 'PartialError'}")
        tables = answer.get("tables") or []
        if not tables:
            raise BackendError("the answer has no table", kind=Kind.UNEXPECTED, where=self._queries.where)
        names = [column["name"] for column in tables[0]["columns"]]
        return [dict(zip(names, row, strict=True)) for row in tables[0]["rows"]]

    def _signed(self, scope: str) -> Callable[[Request], None]:
        def sign(request: Request) -> None:
            request.headers["authorization"] = f"Bearer {self._token(scope)}"

        return sign


class _Identity:
    """Tokens of azure-identity, which keeps them until they end."""

    def __init__(self) -> None:
        self._credential: Any = None

    def __call__(self, scope: str) -> str:
        from cloudberth.extras import late_import

        identity = late_import("azure.identity", extra="azure", needed_for="azure-monitor")
        exceptions = late_import("azure.core.exceptions", extra="azure", needed_for="azure-monitor")
        if self._credential is None:
            self._credential = identity.DefaultAzureCredential()
        try:
            return str(self._credential.get_token(scope).token)
        except exceptions.ClientAuthenticationError as error:
            line = next(iter(str(error.message).splitlines()), "")[:300]
            raise PermissionDenied(f"no token: {line}", where="azure-identity", hint=_HINT) from None
        except exceptions.AzureError:
            raise Unavailable("the sign-in of Azure does not answer", where="azure-identity") from None


def _record(row: Row) -> Record:
    """The same row has the same id whenever it is read."""
    raw, service = str(row.get("Message") or ""), str(row.get("Service") or "")
    text = f"{row.get('TimeGenerated')}|{service}|{row.get('Machine')}|{raw}"
    short = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]
    return record_of(raw, time=moment_of(row.get("TimeGenerated")), service=service, id=short)


def _explain(body: Mapping[str, Any]) -> tuple[str, str]:
    """The innermost error says what is wrong: the outer ones that something is."""
    error = body["error"]
    code, text = str(error.get("code") or ""), str(error.get("message") or "")
    inner = error.get("innererror")
    while isinstance(inner, Mapping):
        text = str(inner.get("message") or text)
        inner = inner.get("innererror")
    return code, text
