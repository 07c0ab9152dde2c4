"""What `berth init` asks, and the file that the answers make."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cloudberth.deployment.loader import load_text
from cloudberth.deployment.rules.network import zone_of
from cloudberth.errors import InvalidDeployment, InvalidInput, Problem


@dataclass(frozen=True, slots=True)
class Question:
    """One question. key: of the answer. default: taken when nothing is answered; empty means none is needed.

    paths: the keys of the file that the answer sets. depends_on: asked only when that question has an answer.
    """

    key: str
    text: str
    default: str
    paths: tuple[str, ...]
    depends_on: str = ""


QUESTIONS: tuple[Question, ...] = (
    Question("name", "Name of the deployment (3 to 20 letters, digits, hyphens)", "dify", ("name",)),
    Question("region", "AWS region", "us-east-1", ("region",)),
    Question(
        "size", "Size: small (a team), medium (some hundred users), large (thousands)", "small", ("size",)
    ),
    Question("domain", "Host name, such as dify.example.com (empty: none yet)", "", ("domain",)),
    Question(
        "zone", "Its DNS zone in Route 53 (empty: the end of the host name)", "", ("domain.zone",), "domain"
    ),
    Question(
        "email",
        "E-mail address for alarms and budget (empty: none yet)",
        "",
        ("alarms.emails", "budget.emails"),
    ),
    Question("budget", "Budget in US dollars a month (empty: that of the size)", "", ("budget.amount",)),
)

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._@/-]*\Z")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})

_HEAD = """\
# What runs, and where. Everything that is not said here has a default: `berth docs` explains every key,
# `berth plan` shows what this makes and what it costs.
"""
_TAIL = """\

# Completion in editors: `berth schema > berth.schema.json`, and as first line of this file
# `# yaml-language-server: $schema=berth.schema.json`.
#
# More that is often set (berth docs SECTION):
#
# version: 1.17.1                  # stay on this release of Dify
#
# compute:                         # fewer machines at night
#   schedules:
#     - {name: evening, cron: "0 20 * * *", min: 1, max: 1, time_zone: Europe/Berlin}
#     - {name: morning, cron: "0 7 * * *", min: 1, max: 2, time_zone: Europe/Berlin}
#
# storage:                         # old uploads in a cheaper class
#   lifecycle:
#     - {prefix: upload_files/, after_days: 60, tier: infrequent}
#
# tags:
#   team: platform
"""


def starter(answers: Mapping[str, str]) -> str:
    """A commented deployment file from answers by question key; empty or missing answers take the default.

    The text loads. Raises InvalidInput for an unknown question, InvalidDeployment for answers that cannot be
    right.
    """
    known = {question.key for question in QUESTIONS}
    for key in answers:
        if key not in known:
            raise InvalidInput(f"there is no question {key!r}", hint=f"questions: {', '.join(sorted(known))}")
    given = {q.key: answers.get(q.key, "").strip() or q.default for q in QUESTIONS}
    text = _HEAD + "".join(part(given) for part in _PARTS) + _TAIL
    _check(text)
    return text


def _check(text: str) -> None:
    """Load the text; a problem is said of the question whose answer made it."""
    try:
        load_text(text, "berth.yaml", {})
    except InvalidDeployment as error:
        raise InvalidDeployment(tuple(dict.fromkeys(map(_about_answer, error.problems)))) from None


def _about_answer(problem: Problem) -> Problem:
    fits = [(len(path), q.key) for q in QUESTIONS for path in q.paths if problem.path.startswith(path)]
    key = max(fits)[1] if fits else problem.path
    return Problem("berth init", 0, 0, key, problem.what, problem.hint)


def _written(value: str) -> str:
    """A text as one YAML value."""
    return (
        value
        if _PLAIN.match(value) and value.lower() not in _NOT_TEXT
        else json.dumps(value, ensure_ascii=False)
    )


def _first(given: Mapping[str, str]) -> str:
    return (
        f"name: {_written(given['name'])}\n"
        "app: dify\n"
        "cloud: aws\n"
        f"region: {_written(given['region'])}\n"
        f"size: {_written(given['size'])}  # small, medium or large\n"
    )


_NO_DOMAIN = """
# Without a domain the site answers in plain HTTP on the load balancer's own name.
# domain:
#   name: dify.example.com
#   zone: example.com
"""
_NO_EMAIL = """
# alarms:
#   emails: [ops@example.com]
"""
_NO_BUDGET = """
# budget:  # every size has one
#   amount: 400  # US dollars a month
"""


def _domain(given: Mapping[str, str]) -> str:
    if not given["domain"]:
        return _NO_DOMAIN
    zone = given["zone"] or zone_of(given["domain"])
    return f"\ndomain:\n  name: {_written(given['domain'])}\n  zone: {_written(zone)}\n"


def _alarms(given: Mapping[str, str]) -> str:
    return f"\nalarms:\n  emails: [{_written(given['email'])}]\n" if given["email"] else _NO_EMAIL


def _budget(given: Mapping[str, str]) -> str:
    if not given["budget"]:
        return _NO_BUDGET
    emails = f"  emails: [{_written(given['email'])}]\n" if given["email"] else ""
    return f"\nbudget:\n  amount: {_amount(given['budget'])}  # US dollars a month\n{emails}"


def _amount(text: str) -> str:
    bare = text.removeprefix("$").removesuffix("USD").strip()
    return bare if re.match(r"\d{1,9}(\.\d{1,2})?\Z", bare) else _written(text)


_PARTS: tuple[Callable[[Mapping[str, str]], str], ...] = (_first, _domain, _alarms, _budget)
