"""Counters in the text format of Prometheus, for applications that expose what our clients count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def counter(metric: str, values: Iterable[tuple[Mapping[str, str], float]], labels: str = "") -> list[str]:
    """The lines of one counter, sorted. values: own labels and their sum. labels: of all, ``type="s3"``."""
    lines = [f"# TYPE {metric} counter"]
    for own, value in sorted(values, key=lambda pair: sorted(pair[0].items())):
        both = ",".join(filter(None, (labels, *(f'{name}="{text}"' for name, text in own.items()))))
        lines.append(f"{metric}{{{both}}} {value}")
    return lines


def by_operation(values: Mapping[str, float]) -> list[tuple[Mapping[str, str], float]]:
    """Sums by operation, as `counter` takes them."""
    return [({"operation": operation}, value) for operation, value in values.items()]
