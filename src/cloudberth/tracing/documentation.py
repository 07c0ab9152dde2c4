"""The page of providers, made from their profiles: ``python -m cloudberth.tracing.documentation``.

It writes ``docs/reference/tracing/README.md``; a test keeps the page fresh.
"""

from __future__ import annotations

from pathlib import Path

from cloudberth.tracing.profile import MEBIBYTE, Limits, Profile
from cloudberth.tracing.providers import profiles
from cloudberth.tracing.settings import VARIABLES

PAGE = Path("docs/reference/tracing/README.md")
_HEAD = """# Providers of traces

<!-- Made by `python -m cloudberth.tracing.documentation`; a test keeps it fresh. -->

Spans go out as OTLP over HTTP in protobuf, with OpenTelemetry's GenAI attributes and OpenInference's; what
a provider wants besides is in its profile (`src/cloudberth/tracing/providers/`). *Added* attributes come on
top of these. Names of settings are those of `berth traces add PROVIDER NAME=VALUE…` and of the panel.

| provider | | feedback | proved |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    lines = [
        f"| [`{each.id}`](#{each.id}) | {each.title} | {'yes' if each.feedback else 'no'} | {each.proved} |"
        for each in profiles()
    ]
    parts = [_HEAD + "\n".join(lines), *map(_section, profiles()), _variables()]
    return "\n\n".join(parts) + "\n"


def _section(profile: Profile) -> str:
    url = (
        profile.traces_url
        if isinstance(profile.traces_url, str)
        else "depends on the settings, see the profile"
    )
    facts = [f"- spans go to: `{url}`", f"- limits that are kept to: {_limits(profile.limits)}"]
    facts += [f"- header: `{name}: {value}`" for name, value in profile.headers]
    facts += [f"- resource: `{name}` = `{value}`" for name, value in profile.resource]
    facts += [f"- added: `{name}` from {source.replace('_', ' ')}" for name, source in profile.copies]
    if profile.check is not None:
        facts.append(
            f"- the test asks: `{profile.check.method} {profile.check.url}`, then OTLP without spans"
        )
    else:
        facts.append("- the test asks: OTLP without spans")
    if profile.project_url:
        facts.append(f"- people look at: `{profile.project_url}`")
    facts += [f"- {note}" for note in profile.notes]
    rows = ["| setting | meaning | | default or example |", "|---|---|---|---|"]
    for each in profile.fields:
        kind = ", ".join(filter(None, ("secret" if each.secret else "", "required" if each.required else "")))
        shown = each.default or (f"such as {each.example}" if each.example else "")
        choices = f" ({', '.join(each.choices)})" if each.choices else ""
        rows.append(f"| `{each.name}` | {each.label} · {each.label_zh} | {kind} | {shown}{choices} |")
    return f"## {profile.id}\n\n{profile.title}\n\n" + "\n".join(rows) + "\n\n" + "\n".join(facts)


def _limits(limits: Limits) -> str:
    said = [f"{limits.spans} spans and {limits.body // MEBIBYTE} MiB a request"]
    if limits.requests_per_minute:
        said.append(f"{limits.requests_per_minute:,} requests a minute")
    if limits.spans_per_minute:
        said.append(f"{limits.spans_per_minute:,} spans a minute")
    return ", ".join(said)


def _variables() -> str:
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items())
    return f"## Variables\n\n| variable | |\n|---|---|\n{rows}"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
