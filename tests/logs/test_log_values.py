"""Records, times, levels, locations, analyses: the pure parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth import logs
from cloudberth.errors import InvalidInput
from cloudberth.logs.aliyun_sls import AliyunSls
from cloudberth.logs.analysis import SAVED, Analysis, Measure, saved, table
from cloudberth.logs.azure_monitor import AzureMonitor
from cloudberth.logs.cloudwatch import CloudWatch
from cloudberth.logs.contract import DeploymentLogs
from cloudberth.logs.files import Files
from cloudberth.logs.filter import Condition, Filter
from cloudberth.logs.google_logging import GoogleLogging
from cloudberth.logs.moments import moment
from cloudberth.logs.record import moment_of, plain_trace, record_of, value_at
from cloudberth.logs.registry import READERS, reader_class, reader_of_deployment, schemes
from cloudberth.logs.severity import Severity, severity_named, severity_of, words_at_least

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("now", NOW),
        ("15m", NOW - timedelta(minutes=15)),
        ("2 h", NOW - timedelta(hours=2)),
        ("3d ago", NOW - timedelta(days=3)),
        ("10:30", datetime(2026, 11, 26, 9, 30, tzinfo=UTC)),
        ("23:00", datetime(2026, 11, 25, 22, 0, tzinfo=UTC)),
        ("2026-11-26", datetime(2026, 11, 25, 23, tzinfo=UTC)),
        ("2026-11-26T10:00Z", datetime(2026, 11, 26, 10, tzinfo=UTC)),
        ("2026-07-01T10:00", datetime(2026, 7, 1, 8, tzinfo=UTC)),
        ("2026-11-26T10:00+09:00", datetime(2026, 11, 26, 1, tzinfo=UTC)),
    ],
)
def test_times_as_people_write_them(text: str, wanted: datetime) -> None:
    assert moment(text, NOW, BERLIN) == wanted


@pytest.mark.parametrize("text", ["", "yesterday", "5 parsecs", "25:99", "2026-13-01", "99999999d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no time"):
        moment(text, NOW, UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-26T10:00:00.123456789Z x", datetime(2026, 11, 26, 10, 0, 0, 123456, UTC)),
        ("2026-11-26 10:00:00,123 [INFO]", datetime(2026, 11, 26, 10, 0, 0, 123000, UTC)),
        ("[2026-11-26 10:00:00 +0100] [1]", datetime(2026, 11, 26, 9, tzinfo=UTC)),
        ("2026/11/26 10:00:00 [error]", datetime(2026, 11, 26, 10, tzinfo=UTC)),
        (1_795_687_200, datetime(2026, 11, 26, 10, tzinfo=UTC)),
        (1_795_687_200_500, datetime(2026, 11, 26, 10, 0, 0, 500000, UTC)),
        (1_795_687_200_000_000_000, datetime(2026, 11, 26, 10, tzinfo=UTC)),
        ("10:00 no date", None),
        ("2026-99-99 10:00:00", None),
        (True, None),
        (None, None),
        (-1, None),
    ],
)
def test_times_as_services_write_them(text: object, wanted: datetime | None) -> None:
    assert moment_of(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "4BF92F3577B34DA6A3CE929D0E0E4736",
        "1-4bf92f35-77b34da6a3ce929d0e0e4736",
        "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "projects/p/traces/4bf92f3577b34da6a3ce929d0e0e4736",
    ],
)
def test_a_trace_id_in_every_spelling(text: str) -> None:
    assert plain_trace(text) == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("text", ["", "req-1", "4bf92f3577b34da6a3ce929d0e0e47361", "f" * 64])
def test_what_is_no_trace_id(text: str) -> None:
    assert plain_trace(text) == ""


@pytest.mark.parametrize(
    ("raw", "severity"),
    [
        ('{"severity":"ERROR"}', Severity.ERROR),
        ('{"level":"warn"}', Severity.WARNING),
        ('{"level":"Panic"}', Severity.CRITICAL),
        ('{"level":30}', None),
        ('{"levelname":"NOTICE"}', Severity.NOTICE),
        ("2026/11/26 10:00:00 [error] 7#7: x", Severity.ERROR),
        ("CRITICAL: x", Severity.CRITICAL),
        ("no error in this sentence", None),
        ("ERRORS galore", None),
        ("", None),
    ],
)
def test_levels_as_services_write_them(raw: str, severity: Severity | None) -> None:
    assert record_of(raw, time=NOW).severity is severity


def test_levels_by_name() -> None:
    assert severity_named("Error") is Severity.ERROR
    assert severity_of(7) is None
    assert set(words_at_least(Severity.CRITICAL)) == {
        "critical",
        "crit",
        "fatal",
        "panic",
        "alert",
        "emergency",
        "emerg",
    }
    with pytest.raises(InvalidInput, match="no level"):
        severity_named("loud")


def test_members_by_path() -> None:
    fields = {"a": {"b": {"c": 1}, "d.e": 2}, "x.y": {"z": 3}, "p.q": 4}
    assert [value_at(fields, path) for path in ("a.b.c", "a.d.e", "x.y.z", "p.q", "a.x", "b")] == [
        1,
        2,
        3,
        4,
        None,
        None,
    ]


@given(st.text(max_size=300))
def test_any_line_is_a_record_and_nothing_of_it_is_lost(raw: str) -> None:
    record = record_of(raw, time=NOW)
    assert record.raw == raw and record.time == NOW
    assert record.document()["time"] == "2026-11-26T12:00:00.000000Z"


@given(st.from_regex(r"\A\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?\Z"))
def test_no_time_breaks_a_line(text: str) -> None:
    found = moment_of(text)
    assert found is None or found.tzinfo is UTC
    assert record_of(text).raw == text


# -- filters -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("a=b", Condition("a", "=", "b")),
        ("a=", Condition("a", "=", "")),
        ("a=b=c", Condition("a", "=", "b=c")),
        ("a!=b", Condition("a", "!=", "b")),
        ("a.b>=5", Condition("a.b", ">=", "5")),
        ("a<-1.5", Condition("a", "<", "-1.5")),
        ("a=>b", Condition("a", "=", ">b")),
    ],
)
def test_conditions_as_they_are_typed(text: str, condition: Condition) -> None:
    assert Condition.parse(text) == condition


@pytest.mark.parametrize("text", ["a", "=b", "a>x", "a>=1e5", "a<1;drop", "a>", "a>0x1"])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(InvalidInput):
        Condition.parse(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("n=5", True),
        ("n=5.0", True),
        ("n=6", False),
        ("n!=6", True),
        ("n>4.9", True),
        ("n>5", False),
        ("t=true", True),
        ("t=1", False),
        ("s=Word", True),
        ("s=word", False),
        ("absent!=x", True),
        ("absent=x", False),
        ("absent>1", False),
        ("s>1", False),
        ("m=7", True),
        ("m>6", True),
        ("f=2", True),
        ("z=null", False),
    ],
)
def test_conditions_mean_what_they_say(text: str, holds: bool) -> None:
    fields = {"n": 5, "t": True, "s": "Word", "m": "7", "f": 2.0, "z": None}
    assert Condition.parse(text).holds(fields) is holds


def test_a_filter_needs_times_in_order() -> None:
    with pytest.raises(InvalidInput, match="empty"):
        Filter(NOW, NOW)
    with pytest.raises(InvalidInput, match="zone"):
        Filter(datetime(2026, 1, 1), NOW)
    filter = Filter(NOW, NOW + timedelta(seconds=1))
    assert filter.matches(record_of("x", time=NOW))
    assert not filter.matches(record_of("x", time=NOW + timedelta(seconds=1)))


# -- locations -----------------------------------------------------------------------------------------------

WORKSPACE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/w"


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("cloudwatch://eu-central-1/cloudberth/shop/api", CloudWatch),
        ("cloudwatch://eu-west-1?group=plain", CloudWatch),
        (f"azure-monitor://{WORKSPACE}", AzureMonitor),
        ("azure-monitor://11111111-2222-3333-4444-555555555555?table=Lines_CL", AzureMonitor),
        ("google-logging://my-project", GoogleLogging),
        ("google-logging://my-project/europe-west1/shop", GoogleLogging),
        ("sls://shop.cn-hangzhou.log.aliyuncs.com/lines", AliyunSls),
        ("logs/*.log", Files),
        ("-", Files),
    ],
)
def test_locations(location: str, kind: type) -> None:
    with logs.open(location) as reader:
        assert isinstance(reader, kind)


@pytest.mark.parametrize(
    "location",
    [
        "ftp://x",
        "cloudwatch://eu-central-1/",
        "cloudwatch://r/g?secret=x",
        "azure-monitor://nothing",
        "azure-monitor:///subscriptions/x",
        "google-logging://",
        "google-logging://my-project/onlyregion",
        "google-logging://my-project/r/b/c",
        "sls://shop.cn-hangzhou.log.aliyuncs.com",
        "sls://key:pw@shop.x/lines",
        "google-logging://my-project?endpoint=http://example.com",
        "azure-monitor://11111111-2222-3333-4444-555555555555?table=a|b",
    ],
)
def test_locations_that_are_none(location: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        logs.open(location)
    assert "pw" not in str(caught.value)


def test_every_registered_store_is_a_reader() -> None:
    assert set(READERS) <= set(schemes())
    for scheme in READERS:
        assert issubclass(reader_class(scheme), logs.LogReader)


@pytest.mark.parametrize(
    ("cloud", "store"),
    [
        ("aws", "/cloudberth/dify/"),
        ("azure", WORKSPACE),
        ("google", "projects/simulated-project/locations/us-central1/buckets/dify"),
    ],
)
def test_the_facts_of_every_cloud_open_a_reader(cloud: str, store: str) -> None:
    """`facts.logs.store` as a rehearsal of each cloud gives it."""
    with reader_of_deployment(cloud, DeploymentLogs("dify", "us-east-1", store, {"api": "group"})) as reader:
        assert reader.compiled(Filter(NOW, NOW + timedelta(hours=1), services=("api",)), 5)


def test_the_reader_of_a_deployment_knows_its_groups() -> None:
    bucket = "projects/shop-1/locations/europe-west1/buckets/shop"
    groups = {"api": "projects/shop-1/logs/cloudberth-shop-api"}
    reader = reader_of_deployment("google", DeploymentLogs("shop", "europe-west1", bucket, groups))
    text = reader.compiled(Filter(NOW, NOW + timedelta(hours=1), services=("api",)), 10)
    assert 'logName="projects/shop-1/logs/cloudberth-shop-api"' in text
    with pytest.raises(InvalidInput, match="no service 'worker'"):
        reader.compiled(Filter(NOW, NOW + timedelta(hours=1), services=("worker",)), 10)
    with pytest.raises(InvalidInput, match="cannot be read yet"):
        reader_of_deployment("mars", DeploymentLogs("shop", "", "", {}))


# -- analyses ------------------------------------------------------------------------------------------------


def test_saved_analyses_have_names_of_their_own() -> None:
    names = [analysis.name for analysis in SAVED]
    assert names == ["errors-by-service", "slowest-requests", "token-cost-by-app", "plugin-failures"]
    with pytest.raises(InvalidInput, match="no saved analysis"):
        saved("nonsense")


def test_slowest_requests() -> None:
    lines = [(path, seconds) for path, most in (("/a", 20), ("/b", 3)) for seconds in range(1, most + 1)]
    records = [
        record_of(f'{{"path":"{path}","seconds":{seconds}}}', time=NOW, service="router")
        for path, seconds in lines
    ]
    records += [
        record_of('{"path":"/c","seconds":99}', time=NOW, service="api"),
        record_of("text", service="router"),
    ]
    assert table(saved("slowest-requests"), records) == (
        {"path": "/a", "slowest": 20.0, "p95": 19.0, "average": 10.5, "requests": 20},
        {"path": "/b", "slowest": 3.0, "p95": 3.0, "average": 2.0, "requests": 3},
    )


def test_groups_end_at_the_limit_and_equal_ones_are_in_order() -> None:
    analysis = Analysis("x", "", "", by=("service",), measures=(Measure("n", "count"),), limit=2)
    records = [record_of("x", time=NOW, service=service) for service in ("c", "b", "a")]
    assert [row["service"] for row in table(analysis, records)] == ["a", "b"]


@pytest.mark.parametrize("zone", ["+00:00", "+0530", "-03:30", "+14:00", "-1200"])
def test_zones_of_written_times(zone: str) -> None:
    text = f"2026-11-26T10:00:00.5{zone}"
    assert moment_of(text) == datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
