"""Commands that write or print files: init, schema, docs, render, releases."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cloudberth import pipeline
from cloudberth.cli.console import (
    confirm,
    deployment_argument,
    err,
    json_option,
    out,
    print_json,
    workspace_option,
)
from cloudberth.cli.workspaces import backend_for, folder_for
from cloudberth.errors import InvalidInput, Refused
from cloudberth.infra import workspace as workspaces
from cloudberth.infra.workspace import Changes, write_file


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("berth.yaml"),
    show_default=True,
)
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="Answer a question (--set name=shop); see --list.",
)
@click.option("--list", "list_questions", is_flag=True, help="List the questions and stop.")
@click.option("--yes", "-y", is_flag=True, help="Take the default of every question that was not answered.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(output: Path, given: tuple[str, ...], list_questions: bool, yes: bool, force: bool) -> None:
    """Write a deployment file from a few questions."""
    from cloudberth.deployment.questions import QUESTIONS, starter

    if list_questions:
        for question in QUESTIONS:
            out.print(f"[bold]{question.key}[/bold]  {question.text}  [dim]{question.default}[/dim]")
        return
    if output.exists() and not force:
        raise Refused(
            "the file exists already", where=str(output), hint="choose another with --output, or --force"
        )
    answers = _given(given, {question.key for question in QUESTIONS})
    for question in QUESTIONS:
        moot = question.depends_on and not answers.get(question.depends_on)
        if yes or moot or question.key in answers:
            continue
        answers[question.key] = click.prompt(question.text, default=question.default, err=True)
    text = starter(answers)
    _write(output, text)
    out.print(f"Wrote {output}. Next: berth plan {output}")


def _given(pairs: tuple[str, ...], known: set[str]) -> dict[str, str]:
    answers = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or key not in known:
            raise InvalidInput(
                f"--set {pair}: not an answer", hint=f"KEY=VALUE with a key of: {', '.join(sorted(known))}"
            )
        answers[key] = value
    return answers


def _write(path: Path, text: str) -> None:
    try:
        write_file(path, text)
    except OSError as error:
        raise InvalidInput(f"cannot be written: {error.strerror}", where=str(path)) from None


@click.command()
@click.option("--report", is_flag=True, help="The schema of `berth plan --json` instead.")
def schema(report: bool) -> None:
    """Print the JSON Schema of deployment files, for editors."""
    if report:
        from cloudberth.report import json_schema as report_schema

        print_json(report_schema())
        return
    from cloudberth.deployment.schema import json_schema

    print_json(json_schema())


@click.command()
@click.argument("section", required=False)
def docs(section: str | None) -> None:
    """Explain the deployment file, or one SECTION of it (berth docs storage)."""
    from cloudberth.deployment.documentation import document

    click.echo_via_pager(document(section)) if sys.stdout.isatty() else click.echo(document(section))


@click.command()
@deployment_argument
@workspace_option
@click.option("--dry-run", is_flag=True, help="Only say which files would change.")
@click.option("--overwrite", is_flag=True, help="Replace files that you changed; yours stay as <file>.orig.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before --overwrite.")
def render(file: Path, workspace: Path | None, dry_run: bool, overwrite: bool, yes: bool) -> None:
    """Write the Terraform workspace of FILE: plain Terraform that works without berth."""
    deployment = pipeline.read(file)
    folder = folder_for(deployment, file, workspace)
    files = pipeline.lay_out(deployment, backend_for(deployment, folder))
    changes = workspaces.inspect(files, folder)
    if dry_run:
        _show_changes(changes, folder, done=False)
        return
    if overwrite and changes.changed_by_user:
        confirm(f"Replace {len(changes.changed_by_user)} files that you changed?", yes=yes)
    _show_changes(workspaces.write(files, folder, overwrite=overwrite), folder, done=True)
    err.print(
        f"[dim]terraform -chdir={os.path.relpath(folder)} init and apply work there without berth[/dim]",
        soft_wrap=True,
    )


def _show_changes(changes: Changes, folder: Path, *, done: bool) -> None:
    verb = "" if done else "would be "
    rows = (
        (changes.create, f"{verb}created"),
        (changes.update, f"{verb}updated"),
        (changes.delete, f"{verb}deleted"),
        (changes.unchanged, "unchanged"),
        (changes.changed_by_user, "changed by you" + (", replaced (yours is <file>.orig)" if done else "")),
        (changes.kept, "no longer generated, but changed by you: kept"),
    )
    out.print(f"[bold]{folder}[/bold]", soft_wrap=True)
    for paths, text in rows:
        if paths:
            out.print(f"  {len(paths):>3} {text}")
            if not done or text.startswith(("changed", "no longer")):
                for path in paths if text != "unchanged" else ():
                    out.print(f"      [dim]{path}[/dim]", soft_wrap=True)


@click.command()
@click.argument("old", required=False)
@click.argument("new", required=False)
@json_option
def releases(old: str | None, new: str | None, as_json: bool) -> None:
    """List the Dify releases that can be deployed, or say what differs between OLD and NEW."""
    from dataclasses import asdict

    from cloudberth.apps.catalog import app, versions
    from cloudberth.apps.changes import describe, environment_changes

    if old is None:
        known = list(versions("dify"))
        print_json(known) if as_json else click.echo("\n".join(known))
        return
    changes = environment_changes(app("dify", old), app("dify", new))
    print_json(asdict(changes)) if as_json else out.print(describe(changes), markup=False)
