"""A rehearsal must reject broken HCL, with the file, the line and the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rejected_snippets import APPLIES, PLANS, marked_line
from rejected_snippets import Rejected as Case
from small_workspaces import HEAD

from cloudberth.errors import Problem, Rejected
from cloudberth.infra.engine import Engine
from cloudberth.infra.rehearsal import rehearse, rehearse_plan

pytestmark = pytest.mark.terraform

Write = Callable[..., Path]
MODULE = 'output "id" {\n  value = 1\n}\n'


def check(problems: Sequence[Problem], case: Case, file: Path) -> None:
    """One of the problems has the words, the file and the marked line."""
    found = [problem for problem in problems if any(words in problem.what for words in case.words)]
    assert found, f"none of {case.words} in {[problem.what for problem in problems]}"
    line = marked_line(file.read_text())
    if line:
        assert line in {problem.line for problem in found}


def problems_of(folder: Path, engine: Engine) -> tuple[Problem, ...]:
    with pytest.raises(Rejected) as caught:
        rehearse_plan(folder, engine=engine)
    return caught.value.problems


@pytest.fixture(scope="module")
def together(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Problem, ...]]:
    """All cases that can stand in one configuration, each as a module: (folder, what one plan says)."""
    folder = tmp_path_factory.mktemp("together")
    calls = []
    for case in PLANS:
        if not case.alone:
            place = folder / slug(case)
            (place / "m").mkdir(parents=True)
            (place / "main.tf").write_text(case.text)
            (place / "m" / "main.tf").write_text(MODULE)
            calls.append(f'module "{slug(case)}" {{\n  source = "./{slug(case)}"\n}}\n')
    (folder / "main.tf").write_text(HEAD + "".join(calls))
    return folder, problems_of(folder, engine)


def slug(case: Case) -> str:
    return case.name.replace(" ", "-").replace(",", "").lower()


def test_there_are_cases() -> None:
    """A reader that finds nothing would make every other test here pass."""
    assert len(PLANS) >= 50
    assert len(APPLIES) >= 4
    assert all(case.words and case.text.strip() for case in PLANS + APPLIES)
    assert len([case for case in PLANS if marked_line(case.text)]) >= len(PLANS) - 1


@pytest.mark.parametrize("case", [case for case in PLANS if not case.alone], ids=str)
def test_a_plan_is_rejected(case: Case, together: tuple[Path, tuple[Problem, ...]]) -> None:
    folder, problems = together
    mine = [problem for problem in problems if problem.file.startswith(f"{slug(case)}/")]
    check(mine, case, folder / slug(case) / "main.tf")


@pytest.mark.parametrize("case", [case for case in PLANS if case.alone], ids=str)
def test_a_plan_with_this_alone_is_rejected(case: Case, engine: Engine, write: Write) -> None:
    folder = write(case.text)
    check(problems_of(folder, engine), case, folder / "main.tf")


@pytest.mark.parametrize("case", PLANS[::17], ids=str)
def test_a_case_is_rejected_also_in_the_root(case: Case, any_engine: Engine, write: Write) -> None:
    folder = write(case.text, m__main_tf=MODULE)
    check(problems_of(folder, any_engine), case, folder / "main.tf")


@pytest.mark.parametrize("case", APPLIES, ids=str)
def test_an_apply_is_rejected(case: Case, any_engine: Engine, write: Write) -> None:
    folder = write(case.text)
    rehearse_plan(folder, engine=any_engine)
    with pytest.raises(Rejected) as caught:
        rehearse(folder, engine=any_engine)
    check(caught.value.problems, case, folder / "main.tf")


def test_the_error_names_resource_and_place(any_engine: Engine, write: Write) -> None:
    folder = write('resource "aws_lb" "front" {\n  load_balancer_type = "x"\n  subnets = ["a", "b"]\n}')
    with pytest.raises(Rejected) as caught:
        rehearse_plan(folder, engine=any_engine)
    assert caught.value.where == "main.tf:10:24 aws_lb.front"
    assert "\n" not in str(caught.value)


def test_every_error_is_told(any_engine: Engine, write: Write) -> None:
    folder = write(
        'resource "aws_sqs_queue" "a" {\n  visibility_timeout_seconds = -1\n}\n'
        'resource "aws_cloudwatch_log_group" "b" {\n  retention_in_days = 2\n}\n'
    )
    with pytest.raises(Rejected) as caught:
        rehearse_plan(folder, engine=any_engine)
    assert {problem.line for problem in caught.value.problems} == {10, 13}
    assert str(caught.value).endswith("(and 1 more)")


def test_a_provider_that_is_not_simulated(any_engine: Engine, write: Write) -> None:
    head = 'terraform {\n  required_providers {\n    vault = { source = "hashicorp/vault" }\n  }\n}\n'
    folder = write('resource "vault_token" "x" {\n  ttl = "1h"\n}\n', head=head)
    with pytest.raises(Rejected, match="hashicorp/vault") as caught:
        rehearse_plan(folder, engine=any_engine)
    assert caught.value.hint.startswith(
        "rehearsals simulate these providers only: aws 6.69.1, azurerm 5.10.0"
    )
