"""The page of the reference that lists every rule. ``python -m cloudberth.findings.reference`` prints it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby

from cloudberth.findings.review import catalogue
from cloudberth.findings.rules import RuleInfo, rules

_HEAD = """# Findings

<!-- Made by `python -m cloudberth.findings.reference`; a test keeps it fresh. -->

`berth plan` reviews what Terraform would do, before anything exists. The rules read the plan, not the
deployment file, so they also work on the `terraform show -json` of your own configuration. A value that is
only known after apply is never reported as missing.

A finding that you accept stays in every report, with your reason:

```yaml
suppress:
  - id: network.single-nat
    reason: An hour without the internet is bearable until May.
    resource: module.network.aws_nat_gateway.this[0]   # optional; * stands for anything
```

Where a severity differs by `size`, it is listed; a dash means that the rule does not apply to that size.
"""


def reference_page() -> str:
    """The whole page as Markdown, ending with a newline."""
    infos = catalogue()
    parts = [_HEAD, f"{len(infos)} rules:\n"]
    for concern, members in groupby(infos, key=lambda info: info.id.partition(".")[0]):
        parts.append(f"## {concern}\n")
        parts.extend(_entry(info) for info in members)
    return "\n".join(parts)


def _entry(info: RuleInfo) -> str:
    lines = [f"### `{info.id}`\n", f"**{info.title}** · {_severity(info)}\n", f"{info.why}\n"]
    lines.append(f"*Remedy:* {info.remedy}\n")
    lines.extend(_elsewhere(info))
    if info.types:
        lines.append(f"*Looks at:* {', '.join(f'`{name}`' for name in info.types)}\n")
    return "\n".join(lines)


def _elsewhere(info: RuleInfo) -> Iterator[str]:
    """What another provider's users read instead."""
    for variant in (rule.info for rule in rules() if rule.info.id == info.id):
        if variant.why != info.why:
            yield f"*With {variant.provider}:* {variant.why}\n"
        if variant.remedy != info.remedy:
            yield f"*Remedy with {variant.provider}:* {variant.remedy}\n"


def _severity(info: RuleInfo) -> str:
    return ", ".join([info.severity.value, *_by_size(info)])


def _by_size(info: RuleInfo) -> Iterator[str]:
    for size, severity in info.by_size.items():
        yield f"{size}: {severity.value if severity else '–'}"


if __name__ == "__main__":
    sys.stdout.write(reference_page())
