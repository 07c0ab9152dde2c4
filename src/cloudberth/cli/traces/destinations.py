"""`berth traces add`, `test` and the rest about destinations."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cloudberth.cli.traces.arguments import destinations_of, json_option, opened, store_option, table
from cloudberth.errors import CloudberthError, InvalidInput, Refused


@click.command()
@click.argument("provider", required=False)
def providers(provider: str | None) -> None:
    """The providers, or the settings of one."""
    from cloudberth.tracing.providers import profile, profiles

    if provider is None:
        rows = [(each.id, each.title, each.proved) for each in profiles()]
        click.echo(table(("provider", "name", "proved"), rows))
        return
    known = profile(provider)
    fields = [
        (
            each.name, each.label, "secret" if each.secret else "", "required" if each.required else "",
            each.default or each.example,
        )
        for each in known.fields
    ]  # fmt: skip
    click.echo(table(("setting", "meaning", "", "", "default or example"), fields))
    for note in known.notes:
        click.echo(f"note: {note}")


@click.command()
@store_option
@json_option
def destinations(store: str | None, as_json: bool) -> None:
    """Where spans go."""
    with destinations_of(store) as found:
        made = found.list()
    if as_json:
        click.echo(json.dumps({"format": 1, "destinations": [each.shown() for each in made]}, indent=2))
        return
    rows = [
        (
            each.id, each.provider, each.name, "/".join(filter(None, (each.scope, each.tenant, each.app))),
            "on" if each.enabled else "off", f"{each.sample:g}", each.policy.content,
        )
        for each in made
    ]  # fmt: skip
    head = ("destination", "provider", "name", "for", "", "sample", "content")
    click.echo(table(head, rows) if rows else "no destinations; add one with `berth traces add`")


@click.command()
@click.argument("provider")
@click.argument("settings", metavar="NAME=VALUE…", nargs=-1)
@click.option("--name", default="", help="What it is called.")
@click.option("--tenant", default="", help="Only spans of this tenant.")
@click.option("--app", default="", help="Only spans of this app of the tenant.")
@click.option("--sample", type=float, default=1.0, show_default=True, help="The share of traces, 0 … 1.")
@click.option("--content", default="full", show_default=True, help="full, truncated or none.")
@click.option("--content-limit", type=int, default=2000, show_default=True, help="Characters when truncated.")
@click.option(
    "--redact", multiple=True, help="email, phone, card, china-id, ip or attribute:NAME; may be repeated."
)
@click.option("--backlog", is_flag=True, help="Also send what is stored already.")
@click.option("--no-test", is_flag=True, help="Do not ask the provider first.")
@store_option
def add(
    provider: str, settings: tuple[str, ...], name: str, tenant: str, app: str, sample: float, content: str,
    content_limit: int, redact: tuple[str, ...], backlog: bool, no_test: bool, store: str | None,
) -> None:  # fmt: skip
    """Send spans to a provider from now on, after asking it.

    A secret is never written on the command line: NAME=@FILE reads it from a file, NAME=- asks for it.
    `berth traces providers NAME` shows the settings.
    """
    from cloudberth.tracing.checks import check_provider_now
    from cloudberth.tracing.content import Policy
    from cloudberth.tracing.destinations import Draft
    from cloudberth.tracing.providers import profile

    known = profile(provider)
    given = _read_settings(settings, known.secrets)
    scope = "app" if app else "tenant" if tenant else "global"
    policy = Policy(content, content_limit, redact)
    draft = Draft(provider, name, scope, tenant, app, True, given, sample, policy)
    with destinations_of(store) as found:
        complete = found.draft_settings(draft)
        if not no_test:
            result = check_provider_now(known, complete, found.guard)
            _show_steps(result.steps)
            if not result.good:
                raise Refused(
                    "the provider says no; nothing was added", hint="--no-test adds it all the same"
                )
        made = found.create(draft, by="berth", backlog=backlog)
    click.echo(f"added {made.id} ({made.name})")


@click.command()
@click.argument("destination")
@store_option
def test(destination: str, store: str | None) -> None:
    """Ask a provider whether it would take spans; nothing is written there."""
    from cloudberth.tracing.checks import check_provider_now

    with destinations_of(store) as found:
        made = found.get(destination)
        result = check_provider_now(made.profile, found.complete_settings(destination), found.guard)
    _show_steps(result.steps)
    if result.project_url:
        click.echo(f"spans are at {result.project_url}")
    if not result.good:
        raise CloudberthError("the provider would not take spans", where=made.name)


@click.command()
@click.argument("destination")
@store_option
def enable(destination: str, store: str | None) -> None:
    """Switch a destination on; what came meanwhile is sent."""
    with destinations_of(store) as found:
        click.echo(f"{found.enable(destination, True, by='berth').name} is on")


@click.command()
@click.argument("destination")
@store_option
def disable(destination: str, store: str | None) -> None:
    """Switch a destination off; what comes waits, as long as it is kept."""
    with destinations_of(store) as found:
        click.echo(f"{found.enable(destination, False, by='berth').name} is off")


@click.command()
@click.argument("destination")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_option
def remove(destination: str, yes: bool, store: str | None) -> None:
    """Remove a destination with its settings and counters; what the provider has stays there."""
    with destinations_of(store) as found:
        made = found.get(destination)
        if not yes:
            click.confirm(f"Remove {made.name}?", abort=True)
        found.delete(destination)
    click.echo(f"removed {made.name}")


@click.command()
@click.argument("destination")
@click.option("--send", "action", flag_value="send", help="Send everything that is stored (again).")
@click.option("--skip", "action", flag_value="skip", help="Pass over what is not sent yet.")
@store_option
def backlog(destination: str, action: str | None, store: str | None) -> None:
    """Send what is stored, or pass over it."""
    from cloudberth.tracing.cursors import send_backlog, skip_backlog
    from cloudberth.tracing.destinations import Destinations

    if action is None:
        raise InvalidInput("say what to do with the backlog", hint="--send or --skip")
    with opened(store) as found:
        Destinations(found.database).get(destination)
        act = send_backlog if action == "send" else skip_backlog
        count = act(found.database, destination)
    click.echo(f"{count:,} spans {'will be sent' if action == 'send' else 'are passed over'}")


def _show_steps(steps: object) -> None:
    from cloudberth.tracing.checks import Step

    assert isinstance(steps, tuple)  # noqa: S101
    for step in steps:
        if isinstance(step, Step):
            good = "ok" if step.good else "NO"
            said = " · ".join(filter(None, (step.meaning, step.said)))
            shown = str(step.status) if step.status else "no answer"
            click.echo(f"{good}  {step.name}: {shown} in {step.milliseconds} ms  {said}".rstrip())


def _read_settings(settings: tuple[str, ...], secrets: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not equals:
            raise InvalidInput(f"{name[:40]!r} is no setting", hint="NAME=VALUE")
        if name in secrets:
            value = _read_secret(name, value)
        found[name] = value
    return found


def _read_secret(name: str, value: str) -> str:
    if value == "-":
        answer: str = click.prompt(name, hide_input=True, err=True)
        return answer
    if not value.startswith("@"):
        raise InvalidInput(
            "a secret on the command line is seen by everybody", where=name, hint=f"{name}=@FILE or {name}=-"
        )
    try:
        return Path(value[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(getattr(error, "strerror", None) or "not a text", where=value[1:]) from None
