"""Logs, money, tags, state."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudberth.deployment.document import Path
from cloudberth.deployment.model.base import shown
from cloudberth.deployment.rules.rule import Fault, Question


def retention(question: Question) -> Iterator[Fault]:
    """A number that the cloud does not know is rounded up; beyond its longest there is none."""
    wanted = question.deployment.logs.retention_days
    if question.facts.kept_days(wanted) is None:
        yield Fault(
            ("logs", "retention_days"),
            f"{question.facts.cloud} does not keep logs for {wanted} days",
            f"at most {question.facts.retention_days[-1]}",
        )


def budget(question: Question) -> Iterator[Fault]:
    """Thresholds rise."""
    section = question.deployment.budget
    if section is None:
        return
    for i, (before, after) in enumerate(
        zip(section.thresholds, section.thresholds[1:], strict=False), start=1
    ):
        if after <= before:
            yield Fault(
                ("budget", "thresholds", i),
                f"threshold {after} does not rise above {before}",
                "list them from low to high, each once",
            )


def recipients(question: Question) -> Iterator[Fault]:
    """Nobody gets the same mail twice."""
    deployment = question.deployment
    lists = {("alarms", "emails"): deployment.alarms.emails}
    if deployment.budget is not None:
        lists[("budget", "emails")] = deployment.budget.emails
    for path, emails in lists.items():
        lower = [email.lower() for email in emails]
        for i, email in enumerate(lower):
            if email in lower[:i]:
                yield Fault((*path, i), f"{emails[i]} stands twice", "remove one")


def tags(question: Question) -> Iterator[Fault]:
    """Keys and values fit the cloud's limits and character set."""
    key_length, value_length, reserved = question.facts.tag_limits
    seen: dict[str, str] = {}
    for key, value in question.deployment.tags.items():
        path: Path = ("tags", key)
        if key.lower().startswith(reserved):
            yield Fault(
                path, f"keys that start with {reserved} belong to the cloud", "take another key", key=True
            )
        elif len(key) > key_length:
            yield Fault(
                path, f"the key has {len(key)} characters, at most {key_length} are allowed", "", key=True
            )
        elif not _TAG.match(key):
            yield Fault(path, f"{shown(key)} holds a character that no tag can have", _TAG_HINT, key=True)
        elif (first := seen.setdefault(key.lower(), key)) != key:
            yield Fault(path, f"{shown(key)} and {shown(first)} differ only in case", "keep one", key=True)
        if len(value) > value_length:
            yield Fault(
                path, f"the value has {len(value)} characters, at most {value_length} are allowed", ""
            )
        elif value and "${" not in value and not _TAG.match(value):
            yield Fault(path, f"{shown(value)} holds a character that no tag can have", _TAG_HINT)


# Letters, digits and spaces of any language, and _ . : / = + - @
_TAG = re.compile(r"[\w\s.:/=+\-@]+\Z")
_TAG_HINT = "letters, digits, spaces and _ . : / = + - @"


def state(question: Question) -> Iterator[Fault]:
    """A local state has no bucket; a bucket's name follows the rules that S3 adds to the plain form."""
    section = question.deployment.state
    if section.type == "local":
        for key in ("bucket", "key", "region"):
            if getattr(section, key) is not None:
                yield Fault(
                    ("state", key),
                    f"a local state has no {key}",
                    "remove it, or write type: s3",
                    also=(("state", "type"),),
                    key=True,
                )
    if section.bucket is None:
        return
    path = ("state", "bucket")
    if re.match(r"\d{1,3}(\.\d{1,3}){3}\Z", section.bucket):
        yield Fault(path, f"{shown(section.bucket)} looks like an IP address", "no bucket can be called so")
    elif (
        ".." in section.bucket
        or section.bucket.startswith(("xn--", "sthree-", "amzn-s3-demo-"))
        or section.bucket.endswith(("-s3alias", "--ol-s3", ".mrap", "--x-s3"))
    ):
        yield Fault(
            path,
            f"{shown(section.bucket)} is a reserved or impossible bucket name",
            "take a plain name, such as example-terraform-state",
        )


def tracing(question: Question) -> Iterator[Fault]:
    """A key for traces is of no use when none are sent."""
    section = question.deployment.tracing
    if section.headers_secret is not None and section.otlp_endpoint is None:
        yield Fault(
            ("tracing", "headers_secret"),
            "there is no otlp_endpoint to send the key to",
            "set tracing.otlp_endpoint",
            key=True,
            also=(("tracing", "otlp_endpoint"),),
        )


def suppressions(question: Question) -> Iterator[Fault]:
    """No finding is suppressed twice for the same resource."""
    seen: set[tuple[str, str | None]] = set()
    for i, entry in enumerate(question.deployment.suppress):
        if (entry.id, entry.resource) in seen:
            yield Fault(("suppress", i, "id"), f"{entry.id} is suppressed twice", "keep one, with one reason")
        seen.add((entry.id, entry.resource))


RULES = (retention, budget, recipients, tags, state, tracing, suppressions)
