"""`./check`: what it chooses to run, how it reads the outcome, what it says at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from checkout.checks import (
    PARTS,
    Choice,
    Environments,
    Outcome,
    choose,
    gist_of,
    main,
    pytest_arguments,
    read_report,
    summary,
)
from checkout.environment import Environment
from checkout.progress import Progress
from checkout.scan import failures, scan_examples, unreasoned
from checkout.scan import read_report as read_scan

LINT, FORMAT, TYPES, SECURITY, TESTS = PARTS


@pytest.mark.parametrize(
    ("arguments", "parts", "options"),
    [
        ([], ["lint", "format", "types", "security", "tests"], ()),
        (["--only", "types"], ["types"], ()),
        (["--only", "tests,lint"], ["lint", "tests"], ()),
        (["--only", "lint", "--only", "format", "--fix"], ["lint", "format"], ()),
        (["-k", "storage"], ["tests"], ("-k", "storage")),
        (["tests/cost", "-x"], ["tests"], ("tests/cost", "-x")),
        (["--only", "tests,types", "-k", "storage"], ["types", "tests"], ("-k", "storage")),
        (["--thorough"], ["lint", "format", "types", "security", "tests"], ("--thorough",)),
        (["--thorough", "-k", "storage"], ["tests"], ("--thorough", "-k", "storage")),
    ],
)
def test_what_the_command_line_asks_for(
    arguments: list[str], parts: list[str], options: tuple[str, ...]
) -> None:
    choice = choose(arguments, unattended=False)
    assert [part.name for part in choice.parts] == parts
    assert choice.pytest_options == options
    assert choice.fix == ("--fix" in arguments)
    assert bool(choice.reason) == (len(parts) < len(PARTS)), "what is left out is said"


def test_a_part_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        choose(["--only", "pyright"], unattended=False)
    assert (
        "no part is called 'pyright'; there are lint, format, types, security, tests"
        in capsys.readouterr().err
    )


def test_continuous_integration_has_a_limit() -> None:
    assert choose([], unattended=False).minutes is None
    limit = choose([], unattended=True).minutes
    assert limit is not None
    assert limit < 60, "a test that hangs must not hold a machine for an hour"
    assert choose(["--minutes", "5"], unattended=True).minutes == 5


@pytest.mark.parametrize("options", [["--pdb"], ["-s"], ["-n", "0"], ["-n4"]])
def test_a_debugger_gets_one_process(options: list[str]) -> None:
    assert pytest_arguments(options) == options


def test_otherwise_there_are_workers() -> None:
    assert pytest_arguments(["-k", "x"])[0] == "-n"


def test_the_report_of_a_real_pytest_is_read(tmp_path: Path) -> None:
    (tmp_path / "test_all.py").write_text(
        "import pytest\n"
        "def test_passes(): pass\n"
        "def test_fails(): assert False\n"
        "@pytest.fixture\ndef broken(): raise OSError\n"
        "def test_error(broken): pass\n"
        "@pytest.mark.parametrize('n', range(2))\n"
        "def test_skipped(n): pytest.skip('needs a PostgreSQL server')\n"
    )
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"]
    subprocess.run([*command, str(tmp_path)], cwd=tmp_path, capture_output=True, check=False)
    counts, skipped, left_out = read_report(report)
    assert (counts, left_out) == ("1 passed, 2 failed, 2 skipped", 0)
    assert skipped == Counter({"needs a PostgreSQL server": 2})


@pytest.mark.parametrize(
    ("output", "gist"),
    [
        ("E501 …\nFound 35 errors.\n[*] 2 fixable with `--fix`.", "Found 35 errors."),
        ("a.py:1: error: …\nFound 1 error in 1 file", "Found 1 error in 1 file"),
        ("All checks passed!", "All checks passed!"),
        ("Would reformat: a\n1 file would be reformatted", "1 file would be reformatted"),
        ("", ""),
    ],
)
def test_the_gist_of_a_linter(output: str, gist: str) -> None:
    assert gist_of(output) == gist


def test_a_report_that_was_not_written(tmp_path: Path) -> None:
    assert read_report(tmp_path / "none.xml") == ("no report was written", Counter(), 0)


def test_the_summary_says_it_all() -> None:
    outcomes = [
        Outcome(LINT, False, 0.4, "Found 2 errors."),
        Outcome(SECURITY, None, 0.1, "the scanner could not be installed"),
        Outcome(TESTS, False, 61.0, "9 passed, 1 failed, 3 skipped", Counter({"needs a Redis server": 3})),
    ]
    text = summary(outcomes, Choice((LINT, TESTS), (), None, reason="only lint, tests, as asked"))
    assert "lint      FAILED     0.4 s  Found 2 errors." in text
    assert "security  not run    0.1 s  the scanner could not be installed" in text
    assert "skipped 3 × needs a Redis server" in text
    assert "not everything was run: only lint, tests, as asked" in text
    assert "./check --last-failed" in text
    assert "./check --fix" in text


class ThisEnvironment(Environment):
    """The environment that runs these tests, as it is, but with the programs of a folder."""

    def __init__(self, folder: Path = Path()) -> None:
        super().__init__(Path(), folder)

    @property
    def python(self) -> str:
        return sys.executable


WITHOUT_SCANNER = Environments(ThisEnvironment, lambda: 1)


@pytest.fixture
def small_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the folders that the parts look at, and nothing wrong; checked by a person."""
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / "src" / "package").mkdir(parents=True)
    (tmp_path / "src" / "package" / "__init__.py").write_text("ONE: int = 1\n")
    for folder in ("tests", "tools"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tests" / "test_one.py").write_text("def test_one() -> None:\n    assert True\n")
    for name in ("berth", "check"):
        (tmp_path / name).write_text("ONE = 1\n")
    mypy = '[tool.mypy]\npackages = ["package"]\nmypy_path = "src"\n'
    (tmp_path / "pyproject.toml").write_text(f'{mypy}[tool.pytest.ini_options]\ntestpaths = ["tests"]\n')
    return tmp_path


@pytest.mark.slow
def test_all_parts_of_a_clean_project_pass(small_project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(small_project, [], WITHOUT_SCANNER) == 0
    said = capfd.readouterr().out
    assert said.count(" passed ") >= 4
    assert "security  not run" in said
    assert "1 passed, 0 failed, 0 skipped" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "file", "content", "said"),
    [
        ("lint", "src/package/wrong.py", "import os\n", "F401"),
        ("format", "berth", "x = [ 1 ]\n", "would be reformatted"),
        ("types", "src/package/wrong.py", 'x: int = "one"\n', "Incompatible types"),
        ("tests", "tests/test_wrong.py", "def test_wrong(): assert 1 == 2\n", "assert 1 == 2"),
    ],
)
def test_each_part_can_fail(
    small_project: Path, capfd: pytest.CaptureFixture[str], part: str, file: str, content: str, said: str
) -> None:
    (small_project / file).write_text(content)
    assert main(small_project, ["--only", part], WITHOUT_SCANNER) == 1
    out = capfd.readouterr().out
    assert said in out
    assert "FAILED" in out


@pytest.mark.slow
def test_tests_that_never_end_are_ended(small_project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (small_project / "tests" / "test_hangs.py").write_text("import time\ndef test_hangs(): time.sleep(600)\n")
    assert main(small_project, ["--only", "tests", "--minutes", "0.05"], WITHOUT_SCANNER) == 1
    assert "stopped after 0.05 minutes" in capfd.readouterr().out


@pytest.mark.slow
def test_options_that_fit_no_test_are_a_failure(
    small_project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(small_project, ["-k", "nothing_of_the_kind"], WITHOUT_SCANNER) == 1
    assert "no test fits these options" in capfd.readouterr().out


REPORT = {
    "results": {
        "failed_checks": [
            {
                "check_id": "CKV_AWS_18",
                "check_name": "Ensure the S3 bucket has access logging enabled",
                "resource": "module.storage.aws_s3_bucket.data",
                "file_path": "/modules/storage/main.tf",
                "file_line_range": [4, 20],
            }
        ]
    },
    "summary": {"passed": 7, "failed": 1, "skipped": 2, "parsing_errors": 0},
}


def test_what_the_scanner_found_in_lines() -> None:
    assert failures(REPORT) == [
        "CKV_AWS_18 Ensure the S3 bucket has access logging enabled: module.storage.aws_s3_bucket.data "
        "(modules/storage/main.tf:4)"
    ]
    broken = {"results": {"failed_checks": []}, "summary": {"parsing_errors": 2}}
    assert failures(broken) == ["2 files could not be parsed"]
    assert read_scan(json.dumps(REPORT)) == REPORT
    assert read_scan('{"passed": 0, "failed": 0}') is None
    assert read_scan("no json") is None


def test_a_skipped_check_needs_a_reason(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        "# checkov:skip=CKV_AWS_18:its own logs would never end\n"
        "# checkov:skip=CKV_AWS_19\n"
        "# checkov:skip=CKV_AWS_20: no\n"
    )
    assert unreasoned(tmp_path) == [
        "main.tf:2: CKV_AWS_19 is skipped without a reason",
        "main.tf:3: CKV_AWS_20 is skipped without a reason",
    ]


def program(folder: Path, name: str, script: str) -> None:
    """A program in the environment of that folder."""
    (folder / "bin").mkdir(exist_ok=True)
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("berth", "checkov", "code", "said"),
    [
        ("exit 0", "echo no json", 1, "nothing that can be read"),
        (
            "echo no such region >&2; exit 2",
            "exit 0",
            1,
            "small-aws.yaml: cannot be rendered: no such region",
        ),
        ("exit 0", "cat {report}; exit 1", 1, "small-aws.yaml: CKV_AWS_18 Ensure"),
        ("exit 0", "cat {clean}", 0, "7 passed, 0 failed, 2 skipped with a reason, in 1 examples"),
    ],
)
def test_the_scan_of_the_examples(
    small_project: Path,
    capfd: pytest.CaptureFixture[str],
    berth: str,
    checkov: str,
    code: int,
    said: str,
) -> None:
    (small_project / "examples").mkdir()
    (small_project / "examples" / "small-aws.yaml").write_text("")
    report, clean = small_project / "report.json", small_project / "clean.json"
    report.write_text(json.dumps(REPORT))
    clean.write_text(json.dumps({**REPORT, "results": {"failed_checks": []}}))
    program(small_project, "berth", berth)
    program(small_project, "checkov", checkov.format(report=report, clean=clean))
    here = Environments(lambda: ThisEnvironment(small_project), lambda: ThisEnvironment(small_project))
    assert main(small_project, ["--only", "security"], here) == code
    assert said in capfd.readouterr().out


def test_without_the_scanner_only_continuous_integration_fails(
    small_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(small_project, ["--only", "security"], WITHOUT_SCANNER) == 0
    monkeypatch.setenv("CI", "true")
    assert main(small_project, ["--only", "security"], WITHOUT_SCANNER) == 1


def test_a_scan_of_nothing_is_a_complaint(tmp_path: Path) -> None:
    environment = Environment(tmp_path, tmp_path / "venv")
    (tmp_path / "src").mkdir()
    (tmp_path / "examples").mkdir()
    scan = scan_examples(tmp_path, environment, environment, tmp_path, Progress(1))
    assert scan.complaints == ("examples: there is none that could be scanned",)
