"""CloudWatch's filter patterns: what FilterLogEvents takes, used to follow.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html. A pattern is either a
regular expression over the line or conditions on members of JSON, never both; quotes cannot be escaped with
certainty, ``*`` is a wildcard, and 1,024 signs are the most. So the pattern takes what can be said safely and
is otherwise wider than the filter: records are held to the filter again when they have arrived.
"""

from __future__ import annotations

import re

from cloudberth.logs.filter import ORDERED, Condition, Filter
from cloudberth.logs.severity import KEYS, words_at_least

LONGEST = 1024
# What may stand in a regular expression there, and between quotes without a meaning of its own.
_TEXT = re.compile(r"[A-Za-z0-9_#=@/;,-]{2,60}")
_VALUE = re.compile(r"[A-Za-z0-9_ .:/@#=;,+-]{1,200}")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def compile_filter(filter: Filter) -> str:
    """The pattern; empty for all lines."""
    traces = [form for form in filter.traces if _TEXT.fullmatch(form)]
    if traces:
        return _fitting("%" + "|".join(traces) + "%")
    conditions = [found for condition in filter.conditions if (found := _condition(condition))]
    if filter.level is not None:
        words = words_at_least(filter.level)
        spelt = (*(word.upper() for word in words), *words)
        terms = [f'($.{key} = "{word}")' for key in KEYS[:2] for word in spelt]
        conditions.append(f"({' || '.join(terms)})")
    if conditions:
        whole = "{ " + " && ".join(conditions) + " }"
        # Too long: one condition less is still right.
        while len(whole) > LONGEST and len(conditions) > 1:
            conditions.pop(0)
            whole = "{ " + " && ".join(conditions) + " }"
        return _fitting(whole)
    for part in filter.text:
        if _TEXT.fullmatch(part):
            return _fitting("%" + "".join(_either_case(sign) for sign in part) + "%")
    return ""


def _condition(condition: Condition) -> str:
    if not _PATH.fullmatch(condition.path):
        return ""
    field = f"$.{condition.path}"
    if condition.sign in ORDERED:
        return f"({field} {condition.sign} {condition.value})"
    if condition.sign != "=" or not _VALUE.fullmatch(condition.value):
        return ""
    terms = [f'({field} = "{condition.value}")']
    if condition.number:
        terms.append(f"({field} = {condition.number})")
    if condition.value in ("true", "false"):
        terms.append(f"({field} IS {condition.value.upper()})")
    return f"({' || '.join(terms)})" if len(terms) > 1 else terms[0]


def _either_case(sign: str) -> str:
    return f"[{sign.upper()}{sign.lower()}]" if sign.isalpha() else sign


def _fitting(pattern: str) -> str:
    return pattern if len(pattern) <= LONGEST else ""
