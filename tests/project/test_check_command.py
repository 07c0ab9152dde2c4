"""`./check`: what it chooses to run, how it reads the outcome, what it says at the end."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from checkout.checks import (
    PARTS,
    Choice,
    Outcome,
    choose,
    gist_of,
    main,
    pytest_arguments,
    read_report,
    summary,
)
from checkout.environment import Environment

LINT, FORMAT, TYPES, TESTS = PARTS


@pytest.mark.parametrize(
    ("arguments", "parts", "options"),
    [
        ([], ["lint", "format", "types", "tests"], ()),
        (["--only", "types"], ["types"], ()),
        (["--only", "tests,lint"], ["lint", "tests"], ()),
        (["--only", "lint", "--only", "format", "--fix"], ["lint", "format"], ()),
        (["-k", "storage"], ["tests"], ("-k", "storage")),
        (["tests/cost", "-x"], ["tests"], ("tests/cost", "-x")),
        (["--only", "tests,types", "-k", "storage"], ["types", "tests"], ("-k", "storage")),
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
    assert "no part is called 'pyright'; there are lint, format, types, tests" in capsys.readouterr().err


def test_continuous_integration_has_a_limit() -> None:
    assert choose([], unattended=False).minutes is None
    limit = choose([], unattended=True).minutes
    assert limit is not None
    assert limit < 30
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
    counts, skipped = read_report(report)
    assert counts == "1 passed, 2 failed, 2 skipped"
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
    assert read_report(tmp_path / "none.xml") == ("no report was written", Counter())


def test_the_summary_says_it_all() -> None:
    outcomes = [
        Outcome(LINT, False, 0.4, "Found 2 errors."),
        Outcome(TESTS, False, 61.0, "9 passed, 1 failed, 3 skipped", Counter({"needs a Redis server": 3})),
    ]
    text = summary(outcomes, Choice((LINT, TESTS), (), None, reason="only lint, tests, as asked"))
    assert "lint    FAILED     0.4 s  Found 2 errors." in text
    assert "skipped 3 × needs a Redis server" in text
    assert "not everything was run: only lint, tests, as asked" in text
    assert "./check --last-failed" in text
    assert "./check --fix" in text


class ThisEnvironment(Environment):
    """The environment that runs these tests, as it is."""

    def __init__(self) -> None:
        super().__init__(Path(), Path())

    @property
    def python(self) -> str:
        return sys.executable


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    """A project with the folders that the parts look at, and nothing wrong."""
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
    assert main(small_project, [], ThisEnvironment) == 0
    said = capfd.readouterr().out
    assert said.count(" passed ") >= 4
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
    assert main(small_project, ["--only", part], ThisEnvironment) == 1
    out = capfd.readouterr().out
    assert said in out
    assert "FAILED" in out


@pytest.mark.slow
def test_tests_that_never_end_are_ended(small_project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (small_project / "tests" / "test_hangs.py").write_text("import time\ndef test_hangs(): time.sleep(600)\n")
    assert main(small_project, ["--only", "tests", "--minutes", "0.05"], ThisEnvironment) == 1
    assert "stopped after 0.05 minutes" in capfd.readouterr().out


@pytest.mark.slow
def test_options_that_fit_no_test_are_a_failure(
    small_project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(small_project, ["-k", "nothing_of_the_kind"], ThisEnvironment) == 1
    assert "no test fits these options" in capfd.readouterr().out
