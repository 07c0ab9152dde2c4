"""Two thousand mutated example files end in a Deployment or in clean problems: never in anything else, and
never slowly.

The normal run is the same everywhere. ``python tests/deployment/test_mutations.py 50000`` tries others.
"""

from __future__ import annotations

import copy
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudberth.deployment import Deployment, load_text
from cloudberth.deployment.loader import load
from cloudberth.errors import InvalidDeployment
from thoroughness import examples

EXAMPLES = [
    path.read_bytes() for path in sorted((Path(__file__).resolve().parents[2] / "examples").glob("*-*.yaml"))
]
ENVIRONMENT = {
    "A": "1",
    "NAME": "dify",
    "LONG": "x" * 3000,
    "EMPTY": "",
    "ODD": "{a: [",
    "REFERENCE": "${secret.x}",
}
_FOREIGN = re.compile(
    r"pydantic|Input should|validation error|https://errors|yaml\.|NoneType|Traceback|object at 0x"
)

# What people and editors leave in files, and what parsers stumble over.
TOKENS = [
    *(
        "\t",
        "\n",
        "\r\n",
        " ",
        "  ",
        ":",
        ": ",
        "- ",
        "#",
        ",",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "!!",
        "!x ",
        "|",
        ">",
        "?",
        "%",
    ),
    *(
        "'",
        '"',
        "\\",
        "---\n",
        "...\n",
        "<<: *a",
        "~",
        "null",
        "yes",
        "no",
        "on",
        ".nan",
        ".inf",
        "-1",
        "0",
        "1e999",
        "0x1f",
        "010",
    ),
    *(
        "1_000",
        "1:30",
        "2026-01-01",
        "99999999999999999999999",
        "${A}",
        "${B}",
        "${EMPTY}",
        "${LONG}",
        "${ODD}",
        "${",
        "$${A}",
    ),
    *(
        "${REFERENCE}",
        "${database.host}",
        "${secret.x|url}",
        "secret:a",
        "secret:",
        "arn:aws:",
        "\ufeff",
        "\u2028",
        "\x85",
        "\0",
    ),
    *(
        "\x1b[31m",
        "é",
        "日本語",
        "😀",
        "\ud7ff",
        "x" * 500,
        "[" * 40,
        "- " * 40,
        "{a: " * 40,
        "domain: x\n",
        "name: y\n",
        "=",
        ".",
    ),
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(TOKENS),
    st.sampled_from(
        [
            "dify",
            "custom",
            "aws",
            "small",
            "large",
            "db.serverless",
            "aurora",
            "m7i.large",
            "one",
            "once",
            "/",
        ]
    ),
    st.text(max_size=20),
    st.lists(st.one_of(st.integers(), st.text(max_size=5), st.none()), max_size=4),
    st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.text(max_size=5)), max_size=4),
)


def check(content: bytes) -> Deployment | None:
    """Load a file as berth does, from its bytes, and look at the answer; at most a second of work."""
    start = time.process_time()
    try:
        deployment = _load(content)
    except InvalidDeployment as error:
        lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", content.decode("utf-8", "replace"))
        assert error.problems
        for problem in error.problems:
            text = str(problem)
            assert text.isprintable(), text
            assert len(text) < 2000, text
            assert not _FOREIGN.search(text), text
            assert problem.what, text
            assert 0 <= problem.line <= len(lines) + 1, text
            assert (problem.line == 0) == (problem.column == 0), text
        return None
    finally:
        assert time.process_time() - start < 1
    assert isinstance(deployment, Deployment)
    return deployment


class _Stream:
    """A path whose content is at hand; saves two thousand files."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __str__(self) -> str:
        return "berth.yaml"

    def open(self, mode: str) -> _Stream:
        return self

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self, size: int) -> bytes:
        return self.content[:size]


def _load(content: bytes) -> Deployment:
    return load(_Stream(content), ENVIRONMENT)  # type: ignore[arg-type]


@st.composite
def changed_bytes(draw: st.DrawFn) -> bytes:
    """An example with pieces taken out, doubled, moved, or replaced by tokens and random bytes."""
    content = bytearray(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["delete", "insert", "replace", "double", "bytes", "cut"])):
            case "delete":
                del content[at:end]
            case "insert":
                content[at:at] = draw(st.sampled_from(TOKENS)).encode("utf-8")
            case "replace":
                content[at:end] = draw(st.sampled_from(TOKENS)).encode("utf-8")
            case "double":
                content[at:at] = content[at:end]
            case "bytes":
                content[at:end] = draw(st.binary(max_size=6))
            case "cut":
                content = content[: max(at, len(content) // 2)]
    return bytes(content)


@st.composite
def changed_lines(draw: st.DrawFn) -> bytes:
    """An example with lines moved, lost, repeated, indented, and values replaced by tokens."""
    lines = draw(st.sampled_from(EXAMPLES)).decode().split("\n")
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["value", "key", "indent", "lose", "repeat", "move"])):
            case "value":
                key, colon, _ = lines[at].partition(": ")
                lines[at] = key + (colon or ": ") + draw(st.sampled_from(TOKENS))
            case "key":
                head = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
                lines[at] = f"{head}{draw(st.sampled_from(TOKENS))}{lines[at].lstrip()}"
            case "indent":
                lines[at] = " " * draw(st.integers(0, 8)) + lines[at].lstrip()
            case "lose":
                lines[at] = ""
            case "repeat":
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
    return "\n".join(lines).encode("utf-8")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += [(value, key), *_places(inner)]
    return found


@st.composite
def changed_structure(draw: st.DrawFn) -> bytes:
    """An example with values replaced by others, keys renamed, and parts moved elsewhere."""
    data = copy.deepcopy(yaml.safe_load(draw(st.sampled_from(EXAMPLES))))
    for _ in range(draw(st.integers(1, 4))):
        places = _places(data)
        if not places:
            break
        container, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["value", "value", "value", "delete", "rename", "graft"])):
            case "value":
                container[key] = draw(VALUES)
            case "delete":
                del container[key]
            case "rename" if isinstance(container, dict):
                container[draw(st.sampled_from([f"{key}s", f"{key}"[:-1], "name", "env", "x-y"]))] = (
                    container.pop(key)
                )
            case "graft":
                other, name = draw(st.sampled_from(places))
                container[key] = copy.deepcopy(other[name]) if _there(other, name) else None
    if draw(st.booleans()):
        return json.dumps(data, default=str).encode("utf-8")
    return yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "surrogatepass")


def _there(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)


NORMAL = settings(max_examples=examples(700, 150), derandomize=True, database=None)


@NORMAL
@given(changed_bytes())
def test_changed_bytes(content: bytes) -> None:
    check(content)


@NORMAL
@given(changed_lines())
def test_changed_lines(content: bytes) -> None:
    check(content)


@NORMAL
@given(changed_structure())
def test_changed_structure(content: bytes) -> None:
    check(content)


@settings(max_examples=200, derandomize=True, database=None)
@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
)
def test_anything(content: bytes) -> None:
    check(content)


def test_mutations_reach_both_ends() -> None:
    """Some mutated files still load: the tests above would not notice a loader that always refuses."""
    outcomes: list[bool] = []

    @settings(max_examples=examples(300, 100), derandomize=True, database=None)
    @given(changed_structure())
    def collect(content: bytes) -> None:
        outcomes.append(check(content) is not None)

    collect()
    assert 3 < sum(outcomes) < len(outcomes)


def test_the_stream_is_read_like_a_file(tmp_path: Path) -> None:
    for content in EXAMPLES:
        (tmp_path / "berth.yaml").write_bytes(content)
        assert (
            _load(content)
            == load(tmp_path / "berth.yaml", ENVIRONMENT)
            == load_text(content.decode(), environment=ENVIRONMENT)
        )


if __name__ == "__main__":
    wanted = settings(max_examples=int(sys.argv[1]), database=None, deadline=None)
    for strategy in (changed_bytes(), changed_lines(), changed_structure()):
        wanted(given(strategy)(lambda content: check(content) and None))()
