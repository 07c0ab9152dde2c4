"""Secrets out of spans: keys that people paste into prompts, and the secrets of this very process.

Applied before a span is stored, to what is recorded here and to what others send. Looking costs a few
searches for fixed strings per span; only a span in which one is found is taken apart. It finds what looks
like a known kind of key and what it was told about, no other secret: the content policy of a destination is
the stronger tool.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudberth.tracing.rewriting import rewrite

_SHORTEST = 10  # a secret shorter than this would take ordinary words with it
_SECRET_NAME = re.compile(
    r"(SECRET|PASSWORD|PASSWD|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL|DSN)", re.I
)
_HARMLESS_NAME = re.compile(
    r"(_ID|_PATH|_FILE|_URL_PREFIX|_NAME|_TYPE|_REGION|_LIMIT|_EXPIR\w*|_MINUTES)$", re.I
)
_FIELDS = (
    "api_?key|access_?key|secret(?:_?key)?|password|passwd|client_?secret|(?:access|refresh|auth)_?token"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of secret. signs: one of these is in every text that holds one. The first group, if any, is
    kept.
    """

    name: str
    signs: tuple[str, ...]
    pattern: re.Pattern[str]


RULES = (
    Rule("private-key", ("PRIVATE KEY-----",),
         re.compile(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)",
                    re.DOTALL)),
    Rule("key", ("sk-", "pk-lf-"), re.compile(r"\b(?:sk|pk-lf)-[A-Za-z0-9_-]{16,}")),
    Rule("aws-key", ("AKIA", "ASIA"), re.compile(r"\bA[KS]IA[A-Z0-9]{16}\b")),
    Rule("google-key", ("AIza",), re.compile(r"\bAIza[A-Za-z0-9_-]{35}")),
    Rule("aliyun-key", ("LTAI",), re.compile(r"\bLTAI[A-Za-z0-9]{12,30}\b")),
    Rule("tencent-key", ("AKID",), re.compile(r"\bAKID[A-Za-z0-9]{32,}\b")),
    Rule("github-token", ("ghp_", "gho_", "ghs_", "github_pat_"),
         re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})")),
    Rule("token", ("xox", "hf_", "glpat-", "lsv2_", "dapi"),
         re.compile(r"\b(?:xox[abprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,}|glpat-[A-Za-z0-9_-]{20,}"
                    r"|lsv2_[a-z]{2}_[A-Za-z0-9_]{20,}|dapi[0-9a-f]{32})")),
    Rule("jwt", ("eyJ",), re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}"
                                     r"\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*")),
    Rule("bearer", ("earer ", "asic "),
         re.compile(r"\b((?:Bearer|Basic|bearer|basic) )[A-Za-z0-9._~+/=-]{16,}")),
    Rule("url-password", ("://",), re.compile(r"([a-z][a-z0-9+.-]{1,20}://[^\s/:@\"']{0,100}:)[^\s/@\"']{1,200}(?=@)")),
    Rule("field", ("key", "KEY", "Key", "ecret", "ECRET", "assw", "ASSW", "oken", "OKEN"),
         re.compile(rf"((?:{_FIELDS})\\?[\"']?\s{{0,5}}[:=]\s{{0,5}}\\?[\"']?)[^\s\"'\\,;}}&]{{6,}}", re.I)),
)  # fmt: skip

_URL_PASSWORD, _FIELD = (
    re.compile(rule.pattern.pattern.encode(), re.I)
    for rule in RULES
    if rule.name in ("url-password", "field")
)
_SIGNS = tuple(
    sign.encode() for rule in RULES if rule.name not in ("url-password", "field") for sign in rule.signs
)
# A part of every name in _FIELDS.
_WORDS = (b"passw", b"secret", b"api_key", b"apikey", b"access_key", b"accesskey", b"s_token", b"h_token")
# Keys are long runs without spaces and dots; words, names of attributes and ids of spans are short ones.
# Looking for a run takes two passes in C, looking for every sign twenty.
_RUN = b"a" * 17
_LETTERS = bytes(
    97 if chr(number).isascii() and (chr(number).isalnum() or chr(number) in "_-+=") else 32
    for number in range(256)
)


def _has_run(data: bytes) -> bool:
    return _RUN in data.translate(_LETTERS)


class Redaction:
    """What is taken out. secrets: values that are known, wherever they stand; patterns: further
    expressions.
    """

    def __init__(
        self,
        secrets: Iterable[str] = (),
        patterns: Iterable[str] = (),
        *,
        rules: tuple[Rule, ...] = RULES,
        shortest: int = _SHORTEST,
    ) -> None:
        self._rules = rules
        self._secrets = sorted({each for each in secrets if len(each) >= shortest}, key=len, reverse=True)
        self._patterns = [re.compile(each) for each in patterns]
        # What a run of letters does not give away has to be searched for by itself.
        self._short = [each.encode() for each in self._secrets if not _has_run(each.encode())]
        self._looks = bool(rules) or bool(self._secrets)

    def __repr__(self) -> str:
        return f"Redaction({len(self._rules)} rules, {len(self._secrets)} known secrets)"

    @classmethod
    def standard(cls, environment: Mapping[str, str] | None = None) -> Redaction:
        """The rules, and the values of this process's variables whose names say that they are secrets."""
        given = os.environ if environment is None else environment
        return cls(
            value
            for name, value in given.items()
            if _SECRET_NAME.search(name) and not _HARMLESS_NAME.search(name) and not value.isdecimal()
        )

    @classmethod
    def none(cls) -> Redaction:
        return cls(rules=())

    def text(self, value: str) -> str:
        """A text without secrets; each is replaced by ``[redacted KIND]``."""
        for secret in self._secrets:
            if secret in value:
                value = value.replace(secret, "[redacted secret]")
        for rule in self._rules:
            if any(sign in value for sign in rule.signs):
                kept = r"\1" if rule.pattern.groups else ""
                value = rule.pattern.sub(f"{kept}[redacted {rule.name}]", value)
        for pattern in self._patterns:
            value = pattern.sub("[redacted]", value)
        return value

    def span(self, data: bytes) -> bytes:
        """An encoded span without secrets; the very same object when there is nothing to take out."""
        return rewrite(data, self._change) if self._may_hold(data) else data

    def _may_hold(self, data: bytes) -> bool:
        """Whether it is worth taking a span apart; quick, as this is asked of every span."""
        if self._patterns:
            return True
        if not self._looks:
            return False
        if _has_run(data) and self._holds_key(data):
            return True
        if any(each in data for each in self._short):
            return True
        if b"://" in data and _URL_PASSWORD.search(data):
            return True
        lower = data.lower()
        return any(word in lower for word in _WORDS) and bool(_FIELD.search(data))

    def _holds_key(self, data: bytes) -> bool:
        if any(sign in data for sign in _SIGNS):
            return True
        return any(each.encode() in data for each in self._secrets)

    def _change(self, _name: str, value: Any) -> Any:
        return self.value(value)

    def value(self, value: Any) -> Any:
        """Any value; the same object when nothing was found in it."""
        if isinstance(value, str):
            changed = self.text(value)
            return value if changed == value else changed
        if isinstance(value, list):
            parts = [self.value(each) for each in value]
            return value if all(a is b for a, b in zip(parts, value, strict=True)) else parts
        if isinstance(value, dict):
            pairs = {name: self.value(each) for name, each in value.items()}
            return value if all(pairs[name] is each for name, each in value.items()) else pairs
        return value
