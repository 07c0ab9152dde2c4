"""CloudWatch Logs, through boto3: Insights to query, FilterLogEvents to follow.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html,
…/API_GetQueryResults.html, …/API_FilterLogEvents.html. A query over many groups costs by the bytes that it
scans; following costs nothing but requests. Tested against moto, which neither parses patterns of JSON nor
evaluates Insights; the texts are compared, not run.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Kind,
    NotFound,
    PermissionDenied,
    Throttled,
    Unavailable,
)
from cloudberth.logs.analysis import Analysis
from cloudberth.logs.contract import Capabilities, DeploymentLogs, LogReader, Place, Retention, Row, in_slices
from cloudberth.logs.filter import Filter
from cloudberth.logs.languages import filter_pattern, insights
from cloudberth.logs.record import Record, moment_of, record_of, time_in

_WHERE = "cloudwatch logs"
_MOST_GROUPS = 50
_QUERY_SECONDS = 900.0
_DENIED = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "UnrecognizedClientException",
}
_BUSY = {"ThrottlingException", "LimitExceededException", "TooManyRequestsException"}
_HINT = "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws sso login`"


class CloudWatch(LogReader):
    """Log groups of one region. groups: service → log group."""

    capabilities = Capabilities("Logs Insights", True, timedelta(seconds=60), 3.0)

    def __init__(self, groups: Mapping[str, str], region: str = "", *, pause: float = 0.5) -> None:
        if not groups:
            raise InvalidInput("there is no log group to read", where=_WHERE)
        self._groups = dict(groups)
        self._services = {group: service for service, group in groups.items()}
        self._region = region
        self._pause = pause
        self._made: Any = None

    @classmethod
    def at(cls, place: Place) -> Self:
        unknown = set(place.query) - {"group"}
        if unknown:
            raise InvalidInput(f"cloudwatch:// has no setting {sorted(unknown)[0]!r}", hint="there is: group")
        named = place.query.get("group") or place.path
        groups = [group for group in named.split(",") if group.strip("/")]
        if not groups:
            raise InvalidInput(
                "the location names no log group", hint="cloudwatch://eu-central-1/cloudberth/shop/api"
            )
        return cls({group.rstrip("/").rpartition("/")[2]: group for group in groups}, place.host)

    @classmethod
    def of_deployment(cls, logs: DeploymentLogs) -> Self:
        return cls(logs.groups, logs.region)

    # -- queries ---------------------------------------------------------------------------------------------

    def query(self, filter: Filter, limit: int) -> list[Record]:
        return in_slices(self._page, filter, limit, insights.MOST_ROWS, self.remark)

    def window(self, filter: Filter) -> Iterator[Record]:
        pattern = filter_pattern.compile_filter(filter)
        for group in self._chosen(filter.services):
            arguments: dict[str, Any] = {"logGroupName": group, **_milliseconds(filter)}
            if pattern:
                arguments["filterPattern"] = pattern
            while True:
                with _mapped():
                    page = self._client.filter_log_events(**arguments)
                for event in page.get("events", ()):
                    record = self._event(group, event)
                    if filter.matches(record):
                        yield record
                if not page.get("nextToken"):
                    break
                arguments["nextToken"] = page["nextToken"]

    def raw(self, text: str, since: datetime, until: datetime, limit: int) -> list[Row]:
        return self._run(text, list(self._groups.values()), since, until, limit)

    def analyse(self, analysis: Analysis, since: datetime, until: datetime) -> list[Row]:
        rows = self._run(
            insights.compile_analysis(analysis), self._chosen(analysis.services), since, until, analysis.limit
        )
        return [self._analysed(analysis, row) for row in rows]

    def compiled(self, filter: Filter, limit: int) -> str:
        return insights.compile_filter(filter, limit)

    def compiled_analysis(self, analysis: Analysis) -> str:
        return insights.compile_analysis(analysis)

    def retention(self) -> list[Retention]:
        found: list[Retention] = []
        for group in self._groups.values():
            with _mapped():
                page = self._client.describe_log_groups(logGroupNamePrefix=group, limit=50)
            described = [entry for entry in page["logGroups"] if entry["logGroupName"] == group]
            if not described:
                raise NotFound(f"there is no log group {group}", where=_WHERE)
            days, size = described[0].get("retentionInDays"), described[0].get("storedBytes")
            found.append(Retention(group, days, size))
        return found

    def close(self) -> None:
        if self._made is not None:
            self._made.close()

    # -- Insights --------------------------------------------------------------------------------------------

    def _page(self, filter: Filter, limit: int) -> list[Record]:
        text = insights.compile_filter(filter, limit)
        groups = self._chosen(filter.services)
        return [self._row(row) for row in self._run(text, groups, filter.since, filter.until, limit)]

    def _run(self, text: str, groups: list[str], since: datetime, until: datetime, limit: int) -> list[Row]:
        """Start a query and wait for it; whoever stops waiting stops the query."""
        if len(text) > insights.LONGEST:
            raise InvalidInput(f"the query has {len(text):,} signs; Insights takes {insights.LONGEST:,}")
        with _mapped():
            started = self._client.start_query(
                logGroupNames=groups,
                startTime=math.floor(since.timestamp()),
                endTime=math.ceil(until.timestamp()),
                queryString=text,
                limit=min(max(limit, 1), insights.MOST_ROWS),
            )
        query = started["queryId"]
        try:
            answer = self._finished(query)
        except BaseException:
            with contextlib.suppress(Exception):
                self._client.stop_query(queryId=query)
            raise
        return [{cell["field"]: cell.get("value", "") for cell in row} for row in answer.get("results", ())]

    def _finished(self, query: str) -> Mapping[str, Any]:
        began, pause = time.monotonic(), self._pause
        while True:
            with _mapped():
                answer: Mapping[str, Any] = self._client.get_query_results(queryId=query)
            status = answer.get("status", "Unknown")
            if status == "Complete":
                return answer
            if status in ("Failed", "Cancelled", "Timeout"):
                raise BackendError(f"the query ended as {status}", kind=Kind.UNEXPECTED, where=_WHERE)
            if time.monotonic() - began > _QUERY_SECONDS:
                raise Unavailable(
                    f"the query still runs after {_QUERY_SECONDS / 60:.0f} minutes",
                    where=_WHERE,
                    hint="give a shorter time span",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    def _chosen(self, services: tuple[str, ...]) -> list[str]:
        for service in services:
            if service not in self._groups:
                raise InvalidInput(
                    f"there is no service {service!r}", hint=f"services: {', '.join(sorted(self._groups))}"
                )
        chosen = [self._groups[service] for service in services] or list(self._groups.values())
        if len(chosen) > _MOST_GROUPS:
            raise InvalidInput(
                f"{len(chosen)} log groups; Insights takes {_MOST_GROUPS}",
                hint="name services with --service",
            )
        return chosen

    # -- values ----------------------------------------------------------------------------------------------

    def _event(self, group: str, event: Mapping[str, Any]) -> Record:
        moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        return record_of(
            event["message"].rstrip("\n"), time=moment, service=self._services[group], id=event["eventId"]
        )

    def _row(self, row: Mapping[str, str]) -> Record:
        service = self._service_of(row.get("@log", ""))
        raw = row.get("@message", "").rstrip("\n")
        moment = row.get("@timestamp", "")
        id = f"{row.get('@ptr')}|{moment}|{service}|{raw}" if not row.get("@log") else row.get("@ptr", raw)
        return record_of(raw, time=_moment(moment), service=service, id=id)

    def _service_of(self, log: str) -> str:
        """``123456789012:/cloudberth/shop/api`` → ``api``."""
        group = log.partition(":")[2] or log
        if not group and len(self._groups) == 1:
            return next(iter(self._groups))
        return self._services.get(group) or group.rpartition("/")[2]

    def _analysed(self, analysis: Analysis, row: Mapping[str, str]) -> Row:
        named = {insights.COLUMNS.get(name, name): value for name, value in row.items()}
        if "service" in analysis.by:
            named["service"] = self._service_of(named.get("service", ""))
        return {column: named.get(column, "") for column in analysis.columns}

    @property
    def _client(self) -> Any:
        if self._made is None:
            from cloudberth.extras import late_import

            boto3 = late_import("boto3", extra="aws", needed_for="cloudwatch")
            config = late_import("botocore.config", extra="aws", needed_for="cloudwatch")
            settings = config.Config(
                region_name=self._region or None,
                connect_timeout=10,
                read_timeout=60,
                retries={"max_attempts": 8, "mode": "standard"},
            )
            with _mapped():
                self._made = boto3.Session().client("logs", config=settings)
        return self._made


def _moment(text: str) -> datetime | None:
    """``2026-11-26 10:00:00.123`` in UTC; moto gives milliseconds since 1970."""
    return moment_of(int(text)) if text.isdigit() else time_in(text)


def _milliseconds(filter: Filter) -> dict[str, int]:
    start = math.floor(filter.since.timestamp() * 1000)
    return {"startTime": max(start, 0), "endTime": math.ceil(filter.until.timestamp() * 1000)}


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    """Errors of botocore become ours. Its own repeats are over by then."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
        ProfileNotFound,
    )

    try:
        yield
    except ClientError as error:
        raise _failure(error.response.get("Error", {})) from None
    except (NoCredentialsError, ProfileNotFound) as error:
        raise PermissionDenied(str(error), where=_WHERE, hint=_HINT) from None
    except NoRegionError:
        raise InvalidInput(
            "no region is known", hint="cloudwatch://eu-central-1/group, or set AWS_REGION"
        ) from None
    except BotoCoreError as error:
        raise Unavailable(str(error), where=_WHERE) from None


def _failure(said: Mapping[str, Any]) -> BackendError:
    code, text = str(said.get("Code", "")), str(said.get("Message", ""))
    words = f"{code}: {text}"
    if code == "ResourceNotFoundException":
        return NotFound(words, where=_WHERE, hint="`berth up` makes the groups; is this the right region?")
    if code in _DENIED:
        return PermissionDenied(words, where=_WHERE, hint=_HINT)
    if code in _BUSY:
        return Throttled(words, where=_WHERE)
    if code in ("MalformedQueryException", "InvalidParameterException"):
        return BackendError(words, kind=Kind.INVALID, where=_WHERE)
    if code in ("ServiceUnavailableException", "InternalFailure", "InternalServerError"):
        return Unavailable(words, where=_WHERE)
    return BackendError(words, kind=Kind.UNEXPECTED, where=_WHERE)
