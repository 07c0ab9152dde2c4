"""Terraform's output as events and problems; version constraints."""

from __future__ import annotations

import json

import pytest

from cloudberth.errors import EngineError, Rejected
from cloudberth.infra.constraints import satisfied
from cloudberth.infra.diagnostics import rejection
from cloudberth.infra.events import Event, State, event_of, listening

DIAGNOSTIC = {
    "severity": "error",
    "summary": "Unsupported argument",
    "detail": 'An argument named "x" is\nnot expected here.',
    "address": "aws_vpc.m",
    "range": {"filename": "main.tf", "start": {"line": 7, "column": 3, "byte": 80}},
}


def lines(*messages: object) -> str:
    return "".join(json.dumps(message) + "\n" for message in messages)


def test_an_error_with_its_place() -> None:
    output = lines({"type": "version"}, {"type": "diagnostic", "@level": "error", "diagnostic": DIAGNOSTIC})
    error = rejection("terraform plan", 1, output, "")
    assert isinstance(error, Rejected)
    assert (
        str(error)
        == 'main.tf:7:3 aws_vpc.m: Unsupported argument: An argument named "x" is not expected here.'
    )
    assert error.problems[0].line == 7


def test_an_error_is_told_once_and_warnings_are_none() -> None:
    warning = {**DIAGNOSTIC, "severity": "warning"}
    output = lines(*({"diagnostic": entry} for entry in (DIAGNOSTIC, DIAGNOSTIC, warning)))
    error = rejection("terraform plan", 1, output, "")
    assert isinstance(error, Rejected)
    assert len(error.problems) == 1


def test_the_document_of_validate() -> None:
    output = json.dumps(
        {"valid": False, "diagnostics": [DIAGNOSTIC, {**DIAGNOSTIC, "address": "aws_vpc.n"}]}, indent=2
    )
    error = rejection("terraform validate", 1, output, "")
    assert isinstance(error, Rejected)
    assert [problem.path for problem in error.problems] == ["aws_vpc.m", "aws_vpc.n"]
    assert str(error).endswith("(and 1 more)")


def test_plain_text() -> None:
    text = (
        "\x1b[31m╷\x1b[0m\n\x1b[31m│\x1b[0m \x1b[1mError: \x1b[0mUnsupported block type\n│ \n"
        '│   on modules/a/main.tf line 12, in resource "x" "y":\n│   12:   tag {\n│ \n'
        "│ Blocks are not expected.\n╵\n"
    )
    error = rejection("terraform init", 1, "", text)
    assert isinstance(error, Rejected)
    problem = error.problems[0]
    assert (problem.file, problem.line) == ("modules/a/main.tf", 12)
    assert problem.what.startswith("Unsupported block type")


def test_a_crash_says_something() -> None:
    error = rejection("terraform plan", 2, "", "panic: runtime error\n\ngoroutine 1")
    assert not isinstance(error, Rejected)
    assert "`terraform plan` ended with code 2: panic: runtime error goroutine 1" in str(error)
    assert "it said nothing" in str(rejection("terraform plan", -9, "", ""))


@pytest.mark.parametrize(
    ("summary", "hint"),
    [
        ("No valid credential sources found", "aws sso login"),
        ("Error acquiring the state lock", "force-unlock"),
        ("Failed to query available provider packages", "network"),
        ("creating EC2 VPC: VpcLimitExceeded", "quota"),
        ("something else", ""),
    ],
)
def test_hints(summary: str, hint: str) -> None:
    error = rejection(
        "terraform plan", 1, lines({"diagnostic": {"severity": "error", "summary": summary}}), ""
    )
    assert isinstance(error, EngineError)
    assert (hint in error.hint) if hint else not error.hint


def test_events() -> None:
    complete = {
        "type": "apply_complete",
        "@message": "aws_vpc.m: Creation complete after 12s [id=vpc-1]",
        "hook": {
            "resource": {"addr": "aws_vpc.m"},
            "action": "create",
            "id_key": "id",
            "id_value": "vpc-1",
            "elapsed_seconds": 12,
        },
    }
    assert event_of(json.dumps(complete)) == Event(
        State.DONE,
        complete["@message"],
        "aws_vpc.m",
        "create",
        12.0,
        "id=vpc-1",  # type: ignore[arg-type]
    )
    planned = {
        "type": "planned_change",
        "@message": "aws_vpc.m: Plan to create",
        "change": {"resource": {"addr": "aws_vpc.m"}, "action": "create"},
    }
    found = event_of(json.dumps(planned))
    assert found is not None
    assert (found.state, found.action) == (State.PLANNED, "create")
    error = event_of(json.dumps({"type": "diagnostic", "@message": "Error: x", "diagnostic": DIAGNOSTIC}))
    assert error is not None
    assert (error.state, error.address) == (State.ERROR, "aws_vpc.m")


@pytest.mark.parametrize("line", ["", "plain", "{", "[]", '{"type": "version"}', '{"type": 3}', "{}"])
def test_other_lines_are_no_events(line: str) -> None:
    assert event_of(line) is None


def test_only_events_reach_the_listener() -> None:
    seen: list[Event] = []
    pass_on = listening(seen.append)
    assert pass_on is not None
    pass_on("plain")
    pass_on('{"type": "change_summary", "@message": "Plan: 1 to add"}')
    assert [event.state for event in seen] == [State.SUMMARY]
    assert listening(None) is None


@pytest.mark.parametrize(
    ("constraint", "fine"),
    [
        ("", True),
        ("~> 6.0", True),
        ("~> 6.69", True),
        ("~> 6.69.0", True),
        ("~> 6.70", False),
        ("~> 6.68.0", False),
        ("~> 5.0", False),
        ("~> 6", True),
        (">= 5.40, < 7.0.0", True),
        (">= 6.70", False),
        ("6.69.1", True),
        ("= 6.69", False),
        ("!= 6.69.1", False),
        ("> 6.69.1", False),
        ("<= 6.69.1", True),
        ("what is this", True),
    ],
)
def test_version_constraints(constraint: str, fine: bool) -> None:
    assert satisfied("6.69.1", constraint) is fine
