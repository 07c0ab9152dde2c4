"""References in texts: the grammar, its escapes, and what is said when something does not exist."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.environment import template
from cloudberth.environment.template import (
    Reference,
    TemplateError,
    escape,
    parse,
    references,
    resolve,
    write,
)

TEXT = st.text(alphabet=st.sampled_from("$${}%|.aB_1 \n\\\"'é"), max_size=30) | st.text(max_size=30)
NAME = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
REFERENCE = st.builds(
    lambda path, filter: Reference(".".join(path), filter, 0, 0),
    st.lists(NAME, min_size=1, max_size=3),
    st.sampled_from(["", "url"]),
)


def simple(parts: list[template.Part]) -> list[object]:
    """Parts without places, neighbouring texts joined."""
    result: list[object] = []
    for part in parts:
        item: object = part if isinstance(part, str) else (part.path, part.filter)
        if isinstance(item, str) and result and isinstance(result[-1], str):
            result[-1] += item
        elif item != "":
            result.append(item)
    return result


@given(st.lists(TEXT | REFERENCE, max_size=6))
def test_what_is_written_is_read_back(parts: list[template.Part]) -> None:
    assert simple(parse(write(parts))) == simple(parts)


@given(TEXT)
def test_any_text_survives(text: str) -> None:
    assert resolve(escape(text), {}, lambda name: "") == text


@given(TEXT, TEXT, st.text(max_size=20))
def test_values_are_put_in_and_never_read_again(before: str, after: str, value: str) -> None:
    """A value that looks like a reference stays what it is."""
    text = write([before, Reference("secret.key", "", 0, 0), after])
    assert resolve(text, {}, lambda name: value) == before + value + after


@given(TEXT)
def test_no_text_breaks_the_parser(text: str) -> None:
    """It is read, or refused with a place inside the text."""
    try:
        parts = parse(text)
    except TemplateError as error:
        lines = text.split("\n")
        assert lines[error.line - 1][error.column - 1 :].lstrip("$").startswith("{") or "${" in text
        return
    assert simple(parse(write(parts))) == simple(parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain $host %{x}", ["plain $host %{x}"]),
        ("${a.b}", [("a.b", "")]),
        ("${secret.key|url}@", [("secret.key", "url"), "@"]),
        ("$${a.b}", ["${a.b}"]),
        ("$$${a.b}", ["$", ("a.b", "")]),
        ("$$$${a.b}", ["$${a.b}"]),
        ("a${b}c${d}", ["a", ("b", ""), "c", ("d", "")]),
    ],
)
def test_grammar(text: str, parts: list[object]) -> None:
    assert simple(parse(text)) == parts


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("a\nbc ${", 2, 4, "starts no reference"),
        ("${a b}", 1, 1, "starts no reference"),
        ("x\n\n ${a|base64}", 3, 2, "no filter .base64"),
        ("${.a}", 1, 1, "starts no reference"),
    ],
)
def test_mistakes_have_a_place(text: str, line: int, column: int, what: str) -> None:
    with pytest.raises(TemplateError, match=what) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert f"line {line}, column {column}" in str(caught.value)


def test_facts_and_secrets() -> None:
    facts = {"database": {"host": "db", "port": 5432}, "cache": {"tls": True}, "name": "dify"}
    text = "${name} ${database.host}:${database.port} ${cache.tls} ${secret.pw|url}"
    assert resolve(text, facts, {"pw": "a/b@c"}.__getitem__) == "dify db:5432 true a%2Fb%40c"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x ${database.hots}", "no fact database.hots"),
        ("${database}", "not a single value"),
        ("${none}", "no fact"),
    ],
)
def test_a_missing_fact_is_named_with_its_place(text: str, what: str) -> None:
    with pytest.raises(TemplateError, match=what):
        resolve(text, {"database": {"host": "db"}}, lambda name: "")


def test_references_know_whether_they_are_secret() -> None:
    found = references("${database.host}${secret.api_key|url}")
    assert [reference.secret for reference in found] == ["", "api_key"]
    assert [reference.text for reference in found] == ["${database.host}", "${secret.api_key|url}"]


def old_python() -> str | None:
    """A Python 3.9, as the machines have it."""
    versions = sorted((Path.home() / ".pyenv/versions").glob("3.9.*/bin/python"))
    return str(versions[-1]) if versions else shutil.which("python3.9")


def test_it_runs_on_the_machines_python() -> None:
    """Python 3.9 and nothing else; without one, at least the syntax tree says what 3.9 would."""
    source = Path(template.__file__)
    python = old_python()
    if python is None:
        import ast

        tree = ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 9))
        imported = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        assert imported <= {"re"}
        return
    code = "import template; print(template.resolve('${a.b} $${x}', {'a': {'b': 1}}, str))"
    code = f"import sys; sys.path.insert(0, {str(source.parent)!r}); {code}"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 ${x}\n"
