"""Secrets never stand in the file; references to them stand only where machines can follow them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from cloudberth.deployment.document import Path
from cloudberth.deployment.model.base import shown
from cloudberth.deployment.model.secrets import SecretReference, looks_like_reference
from cloudberth.deployment.rules.rule import Fault, Question

# Words of a variable's name that say its value is secret.
_WORDS = frozenset(
    {"PASSWORD", "PASSWD", "PASSPHRASE", "PWD", "SECRET", "TOKEN", "CREDENTIAL", "CREDENTIALS", "APIKEY"}
)
_KEYS = frozenset({"API", "ACCESS", "SECRET", "PRIVATE", "ENCRYPTION", "SIGNING", "AUTH", "SERVER", "MASTER"})
# Endings that say the value only describes a secret (ACCESS_TOKEN_EXPIRE_MINUTES, TOKEN_URL).
_DESCRIBING = frozenset(
    [
        "ALGORITHM",
        "AUDIENCE",
        "COUNT",
        "DAYS",
        "DIR",
        "DISABLED",
        "ENABLED",
        "ENDPOINT",
        "EXPIRE",
        "EXPIRES",
        "EXPIRY",
        "FILE",
        "FORMAT",
        "HEADER",
        "HOURS",
        "INTERVAL",
        "ISSUER",
        "LENGTH",
        "LIMIT",
        "MAX",
        "MIN",
        "MINUTE",
        "MINUTES",
        "MODE",
        "NAME",
        "PATH",
        "POLICY",
        "PREFIX",
        "REQUIRED",
        "SECONDS",
        "SIZE",
        "TEMPLATE",
        "TIMEOUT",
        "TTL",
        "TYPE",
        "URI",
        "URL",
    ]
)
# Values that are secret whatever they are called.
_VALUES = (
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), "an AWS access key"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"), "an API key"),
    (re.compile(r"\b(ghp|gho|ghs|github_pat)_[A-Za-z0-9_]{20,}"), "a GitHub token"),
    (re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"), "a Slack token"),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b"), "a Google API key"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
)
_URL_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@]*:(?P<password>[^\s/@]+)@")
_HINT = "put the value into the cloud's secret store and write secret:NAME"


def is_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    words = [word for word in re.split(r"[^A-Z0-9]+", name.upper()) if word]
    if not words or words[-1] in _DESCRIBING:
        return False
    return bool(_WORDS & set(words)) or any(
        first in _KEYS and second == "KEY" for first, second in pairwise(words)
    )


def _variable(path: Path) -> str | None:
    """The name of the variable whose value stands at a path, None where there is none."""
    in_env = (len(path) >= 2 and path[-2] == "env") or (len(path) >= 3 and path[-3] == "env_by_size")
    return str(path[-1]) if in_env else None


def literals(question: Question) -> Iterator[Fault]:
    """No value in the file is a secret. The values themselves never get into a message."""
    for path, scalar in question.scalars():
        text, name = scalar.text, _variable(path)
        if looks_like_reference(text) or not text:
            continue
        kind = next((kind for pattern, kind in _VALUES if pattern.search(text)), None)
        if kind is not None:
            yield Fault(path, f"the value is {kind}; secrets never stand in the file", _HINT)
        elif (match := _URL_PASSWORD.search(text)) and "${secret." not in match["password"]:
            yield Fault(
                path, "the address holds a password; secrets never stand in the file", _password_hint(path)
            )
        elif name is not None and is_secret(name) and _is_literal(text):
            yield Fault(path, f"{name} is a secret, and secrets never stand in the file", _HINT)


def _password_hint(path: Path) -> str:
    return "use ${secret.NAME|url} in its place" if path[:1] == ("services",) else _HINT


def _is_literal(text: str) -> bool:
    return "${secret." not in text and text.lower() not in ("true", "false")


def references(question: Question) -> Iterator[Fault]:
    """``secret:NAME`` is well formed, in the deployment's region, and stands where a machine reads it."""
    for path, scalar in question.scalars():
        if not looks_like_reference(scalar.text):
            continue
        reference = SecretReference.parse(scalar.text)
        if _variable(path) is None and path != ("tracing", "headers_secret"):
            yield Fault(
                path,
                "a secret cannot stand here",
                "references to secrets stand in env and in tracing.headers_secret",
            )
        elif reference is None:
            if path != ("tracing", "headers_secret"):
                yield Fault(
                    path,
                    f"{shown(scalar.text)} is not a reference to a secret",
                    "write secret:NAME or secret:ARN as the secret store shows it",
                )
        elif not question.facts.can_be_secret(reference.id):
            yield Fault(
                path,
                f"{shown(reference.id)} cannot be the name of a secret in {question.facts.cloud}",
                f"it looks like {question.facts.example('secret')}",
            )
        elif reference.region and reference.region != question.deployment.region:
            yield Fault(
                path,
                f"the secret is in {reference.region}, the machines in {question.deployment.region}",
                "copy it (replicate the secret) to the deployment's region",
                also=(("region",),),
            )


RULES = (literals, references)
