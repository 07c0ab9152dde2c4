"""Texts that look like secrets. Answers name the kind, never the text."""

from __future__ import annotations

import re

_KINDS = (
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})")),
    ("a Slack token", re.compile(r"\bxox[abpr]-[A-Za-z0-9-]{20,}")),
    ("an OpenAI or Anthropic key", re.compile(r"\bsk-(?:proj-|ant-[a-z0-9]+-)?[A-Za-z0-9_-]{32,}")),
    ("a Google key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b")),
    ("a password in a URL", re.compile(r"\b[a-z][a-z0-9+]{2,}://[^\s:@/${}]*:[^\s:@/${}<>*]{6,}@")),
)
_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:password|passwd|secret|secret_key|api_?key|access_key|private_key|token|credentials?)$",
    re.I,
)
_ASSIGNMENT = re.compile(
    r"""^\s*(?:export\s+)?["']?([A-Za-z_][A-Za-z0-9_.-]*)["']?\s*[=:]\s*["']?([^\s"'#,]+)""", re.M
)
_PLACEHOLDER = re.compile(r"[$<{%*]|^(?:true|false|null|none|changeme|\d{1,5})$|^arn:|/run/|^/", re.I)
# Published by Dify's compose files and documentation as defaults: everybody knows them.
_PUBLIC = {
    "sk-9f73s3ljTXVcMT3Blb3ljTqtsKiGHXVcMT3BlbkFJLK7U": "Dify's published SECRET_KEY",
    "difyai123456": "Dify's published database or cache password",
    "dify-sandbox": "Dify's published sandbox key",
    "lYkiYYT6owG+71oLerGzA7GXCgOT++6ovaezWAjpCJf+Sjc3ZtU+qUEi": "Dify's published plugin daemon key",
    "QaHbTe77CtuXmsfyhR7+vRjI/+XbV1AaFy691iy+kGDv2Jvy0/eAh8Y1": "Dify's published inner API key",
}


def kind_of_secret(text: str) -> str | None:
    """What the text holds that looks like a secret (``an AWS access key``), None when nothing does."""
    return next((kind for kind, pattern in _KINDS if pattern.search(text)), None)


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name mostly holds a secret: ``DB_PASSWORD``, ``apiToken``, not ``…_arn``."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return bool(_SECRET_NAME.search(snake))


def assigned_secret(text: str) -> str | None:
    """The first name in a script or settings file that is given a literal secret; None when there is none."""
    for name, value in _ASSIGNMENT.findall(text):
        if is_secret_name(name) and looks_literal(value):
            return str(name)
    return None


def looks_literal(value: str) -> bool:
    """Whether a value is a secret itself rather than a reference, a path, a switch or a place to fill in."""
    return len(value) >= 6 and not _PLACEHOLDER.search(value)


def published_secret(value: str) -> str | None:
    """What a published default is (``Dify's published sandbox key``); None when it is not one."""
    return _PUBLIC.get(value)
