"""berth.yaml → Deployment, or every problem of the file at once, each with its place and a hint.

::

    text ──read──► nodes ──fill in──► nodes ──size below it──► values ──model──► Deployment ──rules──► done

A value that does not validate is reported, replaced by an example (or left out) and the rest is checked
again, so that one mistake does not hide the others; rules that rest on such a value stay silent.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any, get_args

from pydantic import ValidationError

from cloudberth.deployment import document as documents
from cloudberth.deployment import interpolation, reading, rules, syntax, wording
from cloudberth.deployment.document import Document, Path
from cloudberth.deployment.facts import facts
from cloudberth.deployment.model import CustomFile, Deployment, DeploymentFile, DifyFile
from cloudberth.deployment.repair import GONE, repaired
from cloudberth.deployment.sizes import SIZES, merged, preset
from cloudberth.errors import InvalidDeployment, Problem

CLOUDS: tuple[str, ...] = get_args(Deployment.model_fields["cloud"].annotation)
"""The clouds that a file can name; the first stands in where none is readable."""
LOCAL = "local"
"""What stands in a file of a platform on this machine: see `deployment.local`."""
_ROUNDS = 12
_LONGEST = 1000
"""Characters of a message; longer ones only come from files that are not meant to be read by people."""
_KINDS: Mapping[str, type[DeploymentFile]] = {"dify": DifyFile, "custom": CustomFile}


def load(path: FilePath | str, environment: Mapping[str, str] | None = None) -> Deployment:
    """Read a deployment file. environment: for ``${NAME}``, default the process's own.

    Raises `InvalidDeployment` with every problem; nothing else, whatever the file holds.
    """
    file = FilePath(path) if isinstance(path, str) else path
    return load_text(_text(file), str(path), environment)


def load_text(
    text: str, file: str = "berth.yaml", environment: Mapping[str, str] | None = None
) -> Deployment:
    """Read the text of a deployment file; file is its name in problems. Raises like `load`."""
    if len(text) > documents.MAX_BYTES:
        raise _unreadable(file, _TOO_LARGE, "is this the right file?")
    document = documents.read(text.removeprefix("\ufeff"), file)
    if not document.readable:
        raise InvalidDeployment(tuple(map(_presentable, document.problems)))
    if _word(document, "cloud", (LOCAL,), "") == LOCAL:
        what = "a local platform has no plan: nothing is created in a cloud"
        hint = f"`berth up {file}` starts it here; berth status, down and doctor know it"
        raise InvalidDeployment((document.problem(("cloud",), what, hint),))
    unset = interpolation.fill_in(document, os.environ if environment is None else environment)
    deployment, found = _checked(document)
    unset_places = {(problem.line, problem.column) for problem in unset}
    found = [problem for problem in found if (problem.line, problem.column) not in unset_places]
    filled = [scalar for _, scalar in document.scalars() if scalar.filled]
    everything = [
        _presentable(interpolation.concealed(each, filled)) for each in (*document.problems, *unset, *found)
    ]
    if everything or deployment is None:
        raise InvalidDeployment(_in_order(everything))
    return deployment.deployment()


def _presentable(problem: Problem) -> Problem:
    """The problem as one printable line, whatever the file holds."""
    path, what, hint = (syntax.printable(text) for text in (problem.path, problem.what, problem.hint))
    return Problem(problem.file, problem.line, problem.column, path, what[:_LONGEST], hint[:_LONGEST])


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By place, each once: a value that aliases repeat is one mistake, whatever path leads to it."""
    once: dict[tuple[int, int, str, str], Problem] = {}
    for problem in problems:
        once.setdefault(
            (problem.line, problem.column, problem.path.rpartition(".")[2], problem.what), problem
        )
    return tuple(sorted(once.values(), key=lambda p: (p.line, p.column, p.path)))


_TOO_LARGE = f"the file is larger than {documents.MAX_BYTES // 1024} KiB"


def _unreadable(file: str, what: str, hint: str = "") -> InvalidDeployment:
    return InvalidDeployment((Problem(file, 0, 0, "", what, hint),))


def _text(path: FilePath) -> str:
    """The file's text; problems of the file itself are raised."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(documents.MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(file, "there is no such file", "`berth init` writes one") from None
    except IsADirectoryError:
        raise _unreadable(file, "this is a folder, not a file", f"try {path / 'berth.yaml'}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "unusable path"
        raise _unreadable(file, f"the file cannot be read: {reason.lower()}") from None
    if len(raw) > documents.MAX_BYTES:
        raise _unreadable(file, _TOO_LARGE, "is this the right file?")
    return _decoded(raw, file)


def _decoded(raw: bytes, file: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(file, "the file is UTF-16", "save it as UTF-8")
    if b"\0" in raw:
        raise _unreadable(file, "the file is binary, not text", "is this the right file?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise InvalidDeployment(
            (Problem(file, line, column, "", "the text is not valid UTF-8 here", "save the file as UTF-8"),)
        ) from None


def _word(document: Document, key: str, known: Iterable[str], otherwise: str) -> str:
    """A value that decides how the rest is read, or a default when it is missing or unknown."""
    node = document.node((key,))
    return node.text if isinstance(node, documents.Scalar) and node.text in known else otherwise


def _checked(document: Document) -> tuple[DeploymentFile | None, list[Problem]]:
    cloud = _word(document, "cloud", CLOUDS, CLOUDS[0])
    size = _word(document, "size", SIZES, SIZES[0])
    kind = _KINDS[_word(document, "app", _KINDS, "dify")]
    found = _spelled_out(document, kind, size)
    values = _values(document, kind)
    under = _tuples(preset(cloud, size))
    deployment, broken, mistakes = _validated(values, under, document, kind)
    found += mistakes
    if deployment is not None:
        question = rules.Question(deployment, facts(cloud), document)
        found += [
            document.problem(fault.path, fault.what, fault.hint, key=fault.key)
            for fault in rules.faults(question)
            if not any(_touches(path, broken) for path in (fault.path, *fault.also))
        ]
    return deployment, found


def _tuples(value: Any) -> Any:
    """A preset with tuples for lists, as the model wants them."""
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list) else value


def _spelled_out(document: Document, kind: type[DeploymentFile], size: str) -> list[Problem]:
    """Deal with the short forms: resources of one size; a domain that is only a name (which cannot work)."""
    if kind is CustomFile:
        reading.spell_out(document, size)
    node = document.node(("domain",))
    if (
        not isinstance(node, documents.Scalar)
        or reading.scalar_value(node, reading.Expected(text=True)) is None
    ):
        return []
    name = node.source if node.source.isprintable() and len(node.source) <= 60 else "dify.example.com"
    hint = f"write domain: {{name: {name}, zone: {rules.network.zone_of(name)}}}"
    problem = document.problem(("domain",), "domain without a zone or certificate", hint)
    del document.root.entries["domain"]
    return [problem]


def _values(document: Document, kind: type[DeploymentFile]) -> dict[str, Any]:
    values: dict[str, Any] = reading.value_of(document.root, reading.expected(kind))
    return {key: value for key, value in values.items() if not key.startswith("x-")}


_Validated = tuple[DeploymentFile | None, set[Path], list[Problem]]


def _validated(
    values: dict[str, Any], under: dict[str, Any], document: Document, kind: type[DeploymentFile]
) -> _Validated:
    """The deployment with stand-ins for the values that are wrong; the paths of those; and what is wrong."""
    broken: set[Path] = set()
    found: list[Problem] = []
    for _ in range(_ROUNDS):
        try:
            return kind.model_validate(merged(under, values), strict=True), broken, found
        except ValidationError as error:
            mistakes = wording.problems(error, document, kind)
        found += [problem for path, problem in mistakes if not _touches(path, broken)]
        for path, _problem in mistakes:
            example = None if path in broken else wording.example_at(kind, path)
            values = repaired(values, path, GONE if example is None else _tuples(example))
        broken.update(path for path, _ in mistakes)
        kind = DifyFile if ("services",) in broken else kind
    return None, broken, found


def _touches(path: Path, broken: Iterable[Path]) -> bool:
    """Whether a path lies in something broken, or holds it."""
    return any(path[: len(other)] == other or other[: len(path)] == path for other in broken)
