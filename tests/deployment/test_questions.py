"""`berth init`: answers make a file that loads, or are refused by name."""

from __future__ import annotations

import re

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.deployment import load_text
from cloudberth.deployment.questions import QUESTIONS, starter
from cloudberth.deployment.schema import json_schema
from cloudberth.errors import InvalidDeployment, InvalidInput


def problems(answers: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidDeployment) as caught:
        starter(answers)
    return [str(problem) for problem in caught.value.problems]


def test_no_answers_make_the_smallest_file() -> None:
    deployment = load_text(starter({}), environment={})
    assert (deployment.name, deployment.region, deployment.size) == ("dify", "us-east-1", "small")
    assert deployment.domain is None


def test_all_answers_are_in_the_file() -> None:
    answers = {
        "name": "shop",
        "region": "us-east-1",
        "size": "large",
        "domain": "ai.shop.example.com",
        "zone": "example.com",
        "email": "ops@example.com",
        "budget": "$5000",
    }
    assert set(answers) == {question.key for question in QUESTIONS}
    deployment = load_text(starter(answers), environment={})
    assert (deployment.name, deployment.region, deployment.size) == ("shop", "us-east-1", "large")
    assert deployment.domain is not None
    assert (deployment.domain.name, deployment.domain.zone) == ("ai.shop.example.com", "example.com")
    assert deployment.alarms.emails == ("ops@example.com",)
    assert deployment.budget is not None
    assert (deployment.budget.amount, deployment.budget.emails) == (5000.0, ("ops@example.com",))


def test_the_zone_is_the_end_of_the_domain() -> None:
    domain = load_text(starter({"domain": "dify.example.com"}), environment={}).domain
    assert domain is not None
    assert domain.zone == "example.com"


def test_the_file_is_commented_and_valid_for_editors() -> None:
    text = starter({"domain": "dify.example.com"})
    assert text.count("\n#") > 10
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(yaml.safe_load(text))) == []


def test_what_is_commented_out_is_right_as_well() -> None:
    """Every suggestion of the file loads when its comment signs are taken away."""
    text = re.sub(r"^# (?=\w+:|  )", "", starter({}), flags=re.MULTILINE)
    deployment = load_text(text, environment={})
    assert deployment.version
    assert len(deployment.compute.schedules) == 2
    assert deployment.storage.lifecycle
    assert deployment.domain is not None
    assert deployment.alarms.emails
    assert deployment.tags


def test_wrong_answers_are_refused_by_question() -> None:
    assert problems({"region": "mars"}) == [
        'berth init region: there is no region "mars" in aws (for instance eu-central-1 or us-east-1)'
    ]
    assert problems({"size": "huge", "email": "ops", "budget": "plenty"}) == [
        'berth init size: must be small, medium or large, not "huge"',
        'berth init email: "ops" is not an e-mail address (write it like ops@example.com)',
        'berth init budget: expected a number, not the text "plenty"',
    ]


def test_unknown_question() -> None:
    with pytest.raises(InvalidInput, match="there is no question 'colour'"):
        starter({"colour": "blue"})


@given(st.dictionaries(st.sampled_from([question.key for question in QUESTIONS]), st.text(max_size=30)))
def test_any_answers_load_or_are_refused(answers: dict[str, str]) -> None:
    """No answer can smuggle another key into the file."""
    try:
        text = starter(answers)
    except InvalidDeployment:
        return
    keys = set(yaml.safe_load(text))
    assert keys <= {"name", "app", "cloud", "region", "size", "domain", "alarms", "budget"}
