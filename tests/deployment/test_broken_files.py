"""Every broken file of broken_files.md is answered with exactly the messages that stand there.

``python tests/deployment/test_broken_files.py`` writes the messages of today into the page; read the
difference before you keep it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudberth.deployment import load_text
from cloudberth.errors import InvalidDeployment

PAGE = Path(__file__).with_name("broken_files.md")
ENVIRONMENT = {"WORD": "four"}
_CASE = re.compile(
    r"^### (?P<title>.+)\n\n"
    r"```yaml\n(?P<text>(?:.*\n)*?)```\n\n"
    r"```text\n(?P<messages>(?:.*\n)*?)```\n",
    re.MULTILINE,
)
# What only a library underneath would say.
_FOREIGN = re.compile(r"pydantic|Input should|validation|https://errors|type=|yaml\.|NoneType|dict\b")


@dataclass(frozen=True)
class Case:
    title: str
    text: str
    messages: str


def cases() -> list[Case]:
    return [Case(**found.groupdict()) for found in _CASE.finditer(PAGE.read_text(encoding="utf-8"))]


def answer(text: str) -> str:
    """What berth says, one line for each problem; empty when the file is right."""
    try:
        load_text(text, "berth.yaml", ENVIRONMENT)
    except InvalidDeployment as error:
        return "".join(f"{problem}\n" for problem in error.problems)
    return ""


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_message(case: Case) -> None:
    assert case.messages, "the page has no message"
    assert answer(case.text) == case.messages


def test_page_is_complete() -> None:
    """Every case of the page is found by the pattern, and there are as many as promised."""
    assert len(cases()) == PAGE.read_text(encoding="utf-8").count("```yaml\n")
    assert len(cases()) >= 100


def test_messages_are_for_people() -> None:
    """No word of the libraries underneath gets through, and every message has its place."""
    for case in cases():
        for line in case.messages.splitlines():
            assert re.match(r"berth\.yaml(:\d+:\d+( .+?)?)?: ", line), line
            assert not _FOREIGN.search(line)


def updated(page: str) -> str:
    """The page with the messages of today."""
    return _CASE.sub(
        lambda case: f"{case[0][: case.start('messages') - case.start()]}{answer(case['text'])}```\n", page
    )


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
