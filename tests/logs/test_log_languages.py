"""The compiled texts: compared word for word, read by independent readers, and attacked through values."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from log_samples import LINES, START, TRACE, moment

from cloudberth.errors import InvalidInput
from cloudberth.logs.analysis import saved
from cloudberth.logs.filter import Condition, Filter
from cloudberth.logs.languages import filter_pattern, google, insights, kql, sls
from cloudberth.logs.record import record_of
from cloudberth.logs.severity import Severity
from doubles import log_languages as stores
from doubles.log_languages import Line
from thoroughness import examples

END = START + timedelta(hours=1)
STORED = [Line.of(moment(at), service, raw, index) for index, (at, service, raw) in enumerate(LINES)]
WHOLE = Filter(
    START,
    END,
    level=Severity.CRITICAL,
    services=("api", "worker"),
    trace=TRACE,
    text=('say "no" \\ /x/',),
    conditions=(
        Condition("status", ">=", "500"),
        Condition("app_id", "=", "7"),
        Condition("http.odd-name", "=", "a*b"),
        Condition("path", "!=", "/health"),
    ),
)
XRAY = "1-4bf92f35-77b34da6a3ce929d0e0e4736"


def test_logs_insights() -> None:
    assert insights.compile_filter(WHOLE, 50) == (
        "fields @timestamp, @message, @log, @logStream, @ptr\n"
        '| filter coalesce(severity, level, levelname) in ["CRITICAL", "CRIT", "FATAL", "PANIC", "ALERT", '
        '"EMERGENCY", "EMERG", "critical", "crit", "fatal", "panic", "alert", "emergency", "emerg"]\n'
        "| filter @message like /(?i)4bf92f3577b34da6a3ce929d0e0e4736/ or "
        "@message like /(?i)1\\-4bf92f35\\-77b34da6a3ce929d0e0e4736/\n"
        '| filter @message like /(?i)say \\"no\\" \\\\ \\/x\\// or '
        '@message like /(?i)say \\\\\\"no\\\\\\" \\\\\\\\ \\/x\\//\n'
        "| filter status >= 500\n"
        '| filter app_id = "7" or app_id = 7\n'
        '| filter `http.odd-name` = "a*b"\n'
        '| filter not ispresent(path) or path != "/health"\n'
        "| sort @timestamp desc\n"
        "| limit 50"
    )


def test_kql() -> None:
    assert kql.compile_filter(WHOLE, 50) == (
        "Cloudberth_CL\n"
        "| where TimeGenerated >= datetime(2026-11-26T10:00:00.000000Z) "
        "and TimeGenerated < datetime(2026-11-26T11:00:00.000000Z)\n"
        '| where Service in ("api", "worker")\n'
        f'| where Message contains "{TRACE}" or Message contains "{XRAY}"\n'
        '| where Message contains "say \\"no\\" \\\\ /x/" or '
        'Message contains "say \\\\\\"no\\\\\\" \\\\\\\\ /x/"\n'
        "| extend Line = parse_json(Message)\n"
        "| where tolower(coalesce(tostring(Line.severity), tostring(Line.level), "
        "tostring(Line.levelname))) in "
        '("critical", "crit", "fatal", "panic", "alert", "emergency", "emerg")\n'
        '| where todouble(Line["status"]) >= 500\n'
        '| where tostring(Line["app_id"]) == "7" or todouble(Line["app_id"]) == 7\n'
        '| where tostring(Line["http"]["odd-name"]) == "a*b" or tostring(Line["http.odd-name"]) == "a*b"\n'
        '| where not(tostring(Line["path"]) == "/health")\n'
        "| order by TimeGenerated desc\n"
        "| take 50\n"
        "| project TimeGenerated, Service, Machine, Message"
    )


def test_kql_keeps_lines_without_the_field() -> None:
    """`tostring` of what is not there is the empty text, in KQL, and "007" reads as 7."""
    empty = kql.compile_filter(Filter(START, END, conditions=(Condition("status", "!=", ""),)), 10)
    assert '| where not(isnotnull(Line["status"]) and tostring(Line["status"]) == "")\n' in empty
    seven = kql.compile_filter(Filter(START, END, conditions=(Condition("app_id", "!=", "7"),)), 10)
    assert '| where not(tostring(Line["app_id"]) == "7")\n' in seven


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        # there: absent, null, empty, a value
        ("status=", (False, False, True, False)),
        ("status!=", (True, True, False, True)),
        ("status=null", (False, False, False, False)),
        ("status!=null", (True, True, True, True)),
        ("status=500", (False, False, False, True)),
        ("status!=500", (True, True, True, False)),
        ("status>=0", (False, False, False, True)),
    ],
)
def test_what_is_not_there_equals_nothing(condition: str, holds: tuple[bool, ...]) -> None:
    lines: list[dict[str, object]] = [{}, {"status": None}, {"status": ""}, {"status": 500}]
    assert tuple(Condition.parse(condition).holds(line) for line in lines) == holds


def test_google() -> None:
    logs = ("projects/p/logs/cloudberth-shop-api", "projects/p/logs/cloudberth-shop-worker")
    assert google.compile_filter(WHOLE, logs) == (
        'timestamp>="2026-11-26T10:00:00.000000Z" AND timestamp<"2026-11-26T11:00:00.000000Z" AND '
        'logName=("projects/p/logs/cloudberth-shop-api" OR "projects/p/logs/cloudberth-shop-worker") AND '
        f'severity>=CRITICAL AND ("{TRACE}" OR "{XRAY}") AND "say \\"no\\" \\\\ /x/" AND '
        'jsonPayload.status>=500 AND jsonPayload.app_id="7" AND '
        '(jsonPayload.http."odd-name"="a*b" OR jsonPayload."http.odd-name"="a*b")'
    )


def test_sls() -> None:
    assert sls.compile_filter(WHOLE) == (
        '(service: "api" or service: "worker") and (severity: "critical" or severity: "crit" or '
        'severity: "fatal" or severity: "panic" or severity: "alert" or severity: "emergency" or '
        f'severity: "emerg") and ("{TRACE}" or "{XRAY}") and "say \\"no\\" \\\\ /x/" and '
        'status >= 500 and app_id: "7" and http.odd\\-name: "a\\*b"'
    )
    assert sls.compile_filter(Filter(START, END)) == "*"


def test_filter_patterns() -> None:
    def pattern(**arguments: object) -> str:
        return filter_pattern.compile_filter(Filter(START, END, **arguments))  # type: ignore[arg-type]

    assert pattern() == ""
    assert pattern(trace=TRACE, level=Severity.ERROR) == f"%{TRACE}|{XRAY}%"
    assert pattern(text=("Time-out",)) == "%[Tt][Ii][Mm][Ee]-[Oo][Uu][Tt]%"
    assert pattern(text=('quote"',)) == ""
    assert pattern(conditions=(Condition("status", "=", "500"), Condition("job.kind", "=", "x y"))) == (
        '{ (($.status = "500") || ($.status = 500)) && ($.job.kind = "x y") }'
    )
    # What has a meaning of its own in a pattern is left to the filter.
    assert pattern(conditions=(Condition("a", "=", 'x" || $.b = "*'),)) == ""
    assert pattern(conditions=(Condition("a", "!=", "x"),)) == ""
    assert pattern(level=Severity.CRITICAL).startswith('{ (($.severity = "CRITICAL") || ')
    assert len(pattern(level=Severity.DEBUG)) <= filter_pattern.LONGEST


def test_sls_analysis() -> None:
    assert sls.compile_analysis(saved("slowest-requests")) == (
        'service: "router" and seconds: * | SELECT "path" AS "path", '
        'max(cast("seconds" AS double)) AS "slowest", '
        'approx_percentile(cast("seconds" AS double), 0.95) AS "p95", '
        'avg(cast("seconds" AS double)) AS "average", '
        'count(*) AS "requests" GROUP BY "path" ORDER BY "slowest" DESC LIMIT 50'
    )


# -- values cannot do anything -------------------------------------------------------------------------------

NASTY = st.sampled_from(
    [
        '"', "\\", '\\"', '" or 1 = 1', "/", "/ or @message like /.*", "' | drop", "*", "?", "%", "| limit 1",
        "`", "$", '") OR ("', '" AND severity>=DEBUG AND "', "{ $.a = 1 }", "](?i)", "\\/", '\\\\"',
        "union *", "; .drop table", "语言", "time out", "500", "true", "x*y",
    ]
)  # fmt: skip
VALUES = st.lists(st.one_of(NASTY, st.text(max_size=4)), min_size=1, max_size=4).map("".join)
PATHS = st.sampled_from(
    ["status", "app_id", "odd-name", "job.kind", "job.tries", "a.b", "done", "path", "msg", "ratio", "absent"]
)
NUMBERS = st.sampled_from(["0", "200", "500", "3", "7", "7.0", "0.25", "0.5", "-1"])
KNOWN = st.sampled_from(["true", "false", "index", "7", "007", "dotted", "/v1/chat", "", "null", "None"])


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    conditions = []
    for _ in range(draw(st.integers(0, 2))):
        sign = draw(st.sampled_from(["=", "!=", ">", ">=", "<", "<="]))
        ordered = sign in (">", ">=", "<", "<=")
        value = draw(NUMBERS if ordered else st.one_of(VALUES, NUMBERS, KNOWN))
        conditions.append((draw(PATHS), sign, value))
    try:
        return Filter(
            moment(draw(st.integers(-2, 5))),
            moment(draw(st.integers(6, 20))),
            draw(st.none() | st.sampled_from(Severity)),
            tuple(draw(st.lists(st.sampled_from(["api", "worker", "router"]), max_size=2, unique=True))),
            draw(st.sampled_from(["", "", TRACE, XRAY, "req-12"])),
            tuple(
                draw(
                    st.lists(st.one_of(VALUES, st.sampled_from(["TIME", "model", '"no"', "\\"])), max_size=2)
                )
            ),
            tuple(Condition(*condition) for condition in conditions),
        )
    except InvalidInput:
        # Control characters and the like: refused before anything is compiled.
        return Filter(START, END)


def wanted(filter: Filter) -> list[int]:
    return [
        line.number
        for line in STORED
        if filter.matches(record_of(line.raw, time=line.time, service=line.service))
    ]


def grade(line: Line) -> int:
    found = record_of(line.raw).severity
    return stores.GRADES[found.name] if found else 0


@settings(max_examples=examples(500, 100))
@given(filters())
@example(WHOLE)
@example(Filter(START, END, conditions=(Condition("status", "!=", ""),)))
@example(Filter(START, END, conditions=(Condition("a.b", "!=", ""),)))
@example(Filter(START, END, conditions=(Condition("app_id", "!=", "7"),)))
@example(Filter(START, END, conditions=(Condition("path", "!=", "null"),)))
@example(Filter(START, END, text=('"no"', "\\")))
@example(Filter(START, END, text=("time out",)))
@example(Filter(START, END, conditions=(Condition("odd-name", "=", "x*y"),)))
def test_a_store_finds_all_that_is_meant_whatever_the_values(filter: Filter) -> None:
    """The independent readers raise for a text that is broken, and find at least what the filter means.

    A level in a line of text is seen when files are read, by no store's query.
    """
    meant = {number for number in wanted(filter) if filter.level is None or STORED[number].fields}
    in_services = [line for line in STORED if not filter.services or line.service in filter.services]
    in_time = [line for line in in_services if filter.since <= line.time < filter.until]
    found = {
        "insights": stores.insights(insights.compile_filter(filter, 1000), in_time),
        "kql": stores.kql(kql.compile_filter(filter, 1000), STORED),
        "google": stores.google(
            google.compile_filter(filter, [f"log-{service}" for service in filter.services]),
            STORED, lambda line: f"log-{line.service}", grade,
        ),
        "pattern": pattern_matches(filter_pattern.compile_filter(filter), in_time),
    }  # fmt: skip
    for store, lines in found.items():
        assert meant <= {line.number for line in lines}, store


@given(filters())
def test_sls_is_never_broken_by_a_value(filter: Filter) -> None:
    """A level is looked for in `severity` alone there: what other names say, the store has to call so."""
    lines = [line for line in STORED if "severity" in line.fields or filter.level is None]
    meant = set(wanted(filter)) & {line.number for line in lines}
    assert meant <= {line.number for line in stores.sls(sls.compile_filter(filter), STORED)} | {
        line.number for line in STORED if not filter.since <= line.time < filter.until
    }


LITERALS = {
    "insights": r'"(?:[^"\\]|\\.)*"|/(?:[^/\\]|\\.)*/',
    "kql": r'"(?:[^"\\]|\\.)*"',
    "google": r'"(?:[^"\\]|\\.)*"',
    "sls": r'"(?:[^"\\]|\\.)*"',
}


@given(VALUES.filter(lambda value: value.isprintable() and value.strip() and not value.isdecimal()))
def test_a_value_stays_within_its_quotes(value: str) -> None:
    """Without its texts, a query with any value is the query with a harmless one."""

    def compiled(text: str) -> dict[str, str]:
        filter = Filter(START, END, text=(text,), conditions=(Condition("field", "=", text),))
        return {
            "insights": insights.compile_filter(filter, 10),
            "kql": kql.compile_filter(filter, 10),
            "google": google.compile_filter(filter),
            "sls": sls.compile_filter(filter),
        }

    if value in ("true", "false") or Condition("x", "=", value).number:
        return
    harmless, harmful = compiled("harmless"), compiled(value)
    for language, pattern in LITERALS.items():
        shapes = [re.sub(pattern, "TEXT", text[language]) for text in (harmful, harmless)]
        # The further spellings of a text with quotes are alternatives of the same shape.
        shapes = [re.sub(r"(\S+ (?:like|contains) TEXT)(?: or \1)+", r"\1", shape) for shape in shapes]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize("value", ["a\nb", "a\x00b", "\x1b[2J", "\ud800", "a\u2028b", "x" * 1001])
def test_values_that_are_no_line_of_text_are_refused(value: str) -> None:
    with pytest.raises(InvalidInput):
        Filter(START, END, text=(value,))
    with pytest.raises(InvalidInput):
        Condition("field", "=", value)


@pytest.mark.parametrize(
    "path", ["", "a b", 'a"b', "a|b", "$.a", "a..b", "a.", "1a", "a`b", "a\\b", "a" * 201]
)
def test_names_of_fields_are_names(path: str) -> None:
    with pytest.raises(InvalidInput, match=r"no name of a field"):
        Condition(path, "=", "x")


@pytest.mark.parametrize("service", ["a b", '"', "../x", "", "-a", "a/b"])
def test_names_of_services_are_names(service: str) -> None:
    with pytest.raises(InvalidInput):
        Filter(START, END, services=(service,))


def pattern_matches(pattern: str, lines: list[Line]) -> list[Line]:
    """CloudWatch's patterns, as far as they are compiled to."""
    if not pattern:
        return lines
    if pattern.startswith("%"):
        inner = pattern[1:-1]
        assert re.fullmatch(r"[A-Za-z0-9_#=@/;,|\[\]-]+", inner)
        return [line for line in lines if re.search(inner, line.raw)]
    tokens = stores.Tokens(
        r'(?P<string>"[^"\\]*")|(?P<word>\$\.[\w.]+|IS|TRUE|FALSE|[{}])|(?P<number>-?\d+(?:\.\d+)?)'
        r"|(?P<sign>&&|\|\||>=|<=|[=<>()])",
        pattern,
    )
    tokens.take(value="{")
    test = stores.boolean(tokens, _pattern_leaf, ("||", "&&", "!"))
    tokens.take(value="}")
    assert tokens.peek()[0] == "end"
    return [line for line in lines if line.fields and test(line)]


def _pattern_leaf(tokens: stores.Tokens) -> stores.Test:
    path = tokens.take("word")[2:].split(".")
    sign = tokens.take()
    kind, value = tokens.peek()
    tokens.take()
    if sign == "IS":
        return lambda line: line.member(path) is (value == "TRUE")
    if kind == "string":
        assert sign == "="
        same = re.compile(re.escape(value[1:-1]).replace(r"\*", ".*"))
        return lambda line: isinstance(found := line.member(path), str) and same.fullmatch(found) is not None
    if sign == "=":
        return lambda line: stores.number(line.member(path)) == float(value)
    return lambda line: stores.compared(stores.number(line.member(path)), sign, float(value))
