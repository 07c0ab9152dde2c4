"""JSON lines: links to traces on four clouds, cuts that keep the JSON, no secret, no broken line."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import InvalidInput
from cloudberth.logs import CounterLines, JsonLines, context, log_model_call, set_up
from cloudberth.logs.analysis import saved, table
from cloudberth.logs.record import record_of
from cloudberth.logs.trace_links import Trace, current_trace, links
from cloudberth.logs.truncation import LIMITS, encoded, size

TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
SECRETS = (
    "sk-" + "a1B2" * 8,
    "AKIA" + "ABCDEFGH12345678",
    "Bearer " + "abcdefghijklmnop.QRSTUV",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
)


def said(formatter: JsonLines, *arguments: Any, **keywords: Any) -> dict[str, Any]:
    """The line of one record, parsed."""
    logger = logging.Logger("test.json", logging.DEBUG)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    level = keywords.pop("level", logging.ERROR)
    logger.log(level, *arguments, **keywords)
    (line,) = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_line_has_what_every_cloud_reads() -> None:
    found = said(
        JsonLines(service="api", environment="prod", version="1.2"), "hello %s", "you", extra={"n": 3}
    )
    stamp = found.pop("timestamp")
    assert found == {
        "severity": "ERROR",
        "level": "error",
        "message": "hello you",
        "logger": "test.json",
        "service": "api",
        "env": "prod",
        "version": "1.2",
        "n": 3,
    }
    assert stamp.endswith("Z") and len(stamp) == 27


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (5, "DEBUG"),
        (10, "DEBUG"),
        (20, "INFO"),
        (25, "NOTICE"),
        (29, "NOTICE"),
        (35, "WARNING"),
        (90, "CRITICAL"),
    ],
)
def test_levels_of_ones_own_are_the_next_milder(level: int, severity: str) -> None:
    logger = JsonLines()
    record = logging.LogRecord("x", level, "f", 1, "m", (), None)
    assert json.loads(logger.format(record))["severity"] == severity


def test_links_to_traces_of_four_clouds() -> None:
    ids = {"trace_id": TRACE.trace, "span_id": TRACE.span, "trace_sampled": True}
    google = {
        "logging.googleapis.com/trace": f"projects/shop/traces/{TRACE.trace}",
        "logging.googleapis.com/spanId": TRACE.span,
        "logging.googleapis.com/trace_sampled": True,
    }
    aws = {"trace_flags": "01", "xray_trace_id": "1-4bf92f35-77b34da6a3ce929d0e0e4736"}
    azure = {"operation_Id": TRACE.trace, "operation_ParentId": TRACE.span}
    aliyun = {"traceId": TRACE.trace, "spanId": TRACE.span}
    assert links(TRACE, "aws") == {**ids, **aws}
    assert links(TRACE, "azure") == {**ids, **azure}
    assert links(TRACE, "google", "shop") == {**ids, **google}
    assert links(TRACE, "google") == ids  # a link without the project leads nowhere
    assert links(TRACE, "aliyun") == {**ids, **aliyun}
    assert links(TRACE, None, "shop") == {**ids, **aws, **azure, **google, **aliyun}
    assert said(JsonLines(cloud="aws", trace=lambda: TRACE), "x")["xray_trace_id"] == aws["xray_trace_id"]


def test_the_span_of_opentelemetry_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as absent:
        absent.delitem(sys.modules, "opentelemetry.trace", raising=False)
        assert current_trace() is None
    # Only now: a second import of the module would leave two of them behind, for every test that follows.
    api = pytest.importorskip("opentelemetry.trace")
    span = api.NonRecordingSpan(
        api.SpanContext(
            int(TRACE.trace, 16), int(TRACE.span, 16), is_remote=False, trace_flags=api.TraceFlags(1)
        )
    )
    with api.use_span(span):
        assert current_trace() == TRACE
    assert current_trace() is None


# -- nothing breaks a line -----------------------------------------------------------------------------------


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_what_cannot_be_formatted_is_said_all_the_same() -> None:
    assert "%d" in said(JsonLines(), "a number %d", "x")["message"]
    loop: list[Any] = []
    loop.append(loop)
    found = said(
        JsonLines(),
        "x",
        extra={"nan": float("nan"), "loop": loop, "bad": Unspeakable(), "big": 2**80, "set": {1}},
    )
    assert found["nan"] == "nan" and found["big"] == str(2**80) and found["set"] == [1]
    assert found["bad"] == "its text cannot be made: RuntimeError"


def test_exceptions_stand_in_one_line() -> None:
    try:
        raise ValueError("wrong\nin two lines")
    except ValueError:
        found = said(JsonLines(), "failed", exc_info=True)
    assert found["exception"]["type"] == "ValueError"
    assert found["exception"]["message"] == "wrong\nin two lines"
    assert "test_log_json_lines.py" in found["exception"]["stacktrace"]


def test_fields_cannot_take_the_place_of_ours() -> None:
    found = said(
        JsonLines(service="api"), "real", extra={"severity": "DEBUG", "service": "other", "level": 1}
    )
    assert (found["severity"], found["service"], found["field_service"]) == ("ERROR", "api", "other")
    assert found["field_severity"] == "DEBUG"


def test_context_is_for_those_inside() -> None:
    with context(request_id="r1", tenant_id="t"), context(request_id="r2"):
        inside = said(JsonLines(), "x")
    assert (inside["request_id"], inside["tenant_id"]) == ("r2", "t")
    assert "request_id" not in said(JsonLines(), "x")


# -- secrets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_in_a_line(secret: str) -> None:
    try:
        raise RuntimeError(f"refused {secret}")
    except RuntimeError:
        found = said(
            JsonLines(),
            "key %s",
            secret,
            extra={
                "note": f"with {secret}",
                "deep": {"list": [secret]},
                "api_key": "plain",
                "x": {"Password": 7},
            },
            exc_info=True,
        )
    line = json.dumps(found)
    assert secret.removeprefix("Bearer ") not in line
    assert found["api_key"] == "[redacted]" and found["x"] == {"Password": "[redacted]"}


def test_secrets_of_the_environment_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery")
    assert "correct-horse" not in json.dumps(said(JsonLines(), "connecting with correct-horse-battery"))


# -- cuts ----------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=3000),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=30), inner, max_size=10),
    max_leaves=30,
)


@given(
    st.dictionaries(st.text(max_size=40), JSON, max_size=12), st.text(max_size=5000), st.integers(512, 4000)
)
def test_a_cut_line_is_json_and_short_enough(fields: dict[str, Any], message: str, limit: int) -> None:
    whole = {**fields, "timestamp": "2026-11-26T10:00:00Z", "severity": "ERROR", "message": message}
    line = encoded(whole, limit)
    assert "\n" not in line
    assert len((line + "\n").encode()) <= limit
    parsed = json.loads(line)
    assert parsed["severity"] == "ERROR"
    if (
        size(line) < size(json.dumps(whole, ensure_ascii=False, separators=(",", ":")))
        and "cut_bytes" not in parsed
    ):
        pytest.fail("cut, and nobody is told")


def test_a_line_that_fits_is_left_alone() -> None:
    assert encoded({"message": "x" * 400}, 512) == '{"message":"' + "x" * 400 + '"}'


def test_the_longest_text_is_cut_and_the_rest_kept() -> None:
    found = json.loads(
        encoded({"severity": "ERROR", "message": "short", "stack": "語" * 50_000, "id": "r1"}, 16_000)
    )
    assert (found["message"], found["id"]) == ("short", "r1")
    assert found["stack"].endswith("…[cut]")
    assert 4_500 < len(found["stack"]) < 5_400  # three bytes each: the room is used
    assert found["cut_bytes"] > 130_000


def test_limits_are_those_of_the_clouds() -> None:
    found = said(JsonLines(cloud="google"), "x" * 100_000)
    assert 15_000 < len(json.dumps(found, separators=(",", ":"))) < LIMITS["google"]
    with pytest.raises(InvalidInput):
        JsonLines(limit=100)


# -- setting up ----------------------------------------------------------------------------------------------


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    found = logging.getLogger()
    before, level, hook = list(found.handlers), found.level, sys.excepthook
    yield found
    found.handlers[:] = before
    found.setLevel(level)
    sys.excepthook = hook
    logging.captureWarnings(False)


def test_set_up_takes_the_place_of_what_was_there(root: logging.Logger) -> None:
    stream = io.StringIO()
    set_up("api", stream=io.StringIO())
    set_up("api", stream=stream, level="WARNING")
    assert len(root.handlers) == 1
    logging.getLogger("a.b").info("no")
    logging.getLogger("a.b").warning("yes")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["logger"] for line in found] == ["a.b", "py.warnings"]
    with pytest.raises(InvalidInput, match="no cloud"):
        set_up("api", cloud="mars")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="no level"):
        set_up("api", level="LOUD")


def test_a_program_that_dies_says_so_as_json() -> None:
    code = "from cloudberth import logs\nlogs.set_up('job')\nraise ValueError('x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert (found["severity"], found["service"]) == ("CRITICAL", "job")
    assert found["exception"]["type"] == "ValueError"
    assert done.returncode == 1 and done.stderr == ""


# -- counters ------------------------------------------------------------------------------------------------


def test_counters_become_a_line_now_and_then_and_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    values = iter(range(1, 1000))
    caplog.set_level(logging.INFO)
    with CounterLines(lambda: {"spans": next(values)}, seconds=0.01) as lines:
        while len(caplog.records) < 3:
            pass
        lines.stop()
        count = len(caplog.records)
    seen = [record.__dict__["spans"] for record in caplog.records]
    assert seen == list(range(1, len(seen) + 1))
    assert len(caplog.records) == count  # stopping twice writes nothing more
    assert all(record.__dict__["event"] == "counters" for record in caplog.records)


def test_counters_that_fail_are_said_without_their_words(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> dict[str, float]:
        raise RuntimeError("password=hunter2hunter2")

    CounterLines(fail).write()
    assert caplog.messages == ["the counters cannot be read: RuntimeError"]


def test_a_model_call_is_what_the_saved_analysis_counts() -> None:
    stream = io.StringIO()
    logger = logging.Logger("llm")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(service="api"))
    logger.addHandler(handler)
    for cost in (0.25, 0.5):
        log_model_call(logger, app="app-7", model="gpt", input_tokens=10, output_tokens=5, cost_usd=cost)
    rows = table(saved("token-cost-by-app"), [record_of(line) for line in stream.getvalue().splitlines()])
    assert rows == (
        {"app_id": "app-7", "model": "gpt", "cost": 0.75, "input": 20.0, "output": 10.0, "calls": 2},
    )
