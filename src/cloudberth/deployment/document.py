"""YAML text as nodes that know their place.

A deployment file is read from the parser's events with a stack of its own, so that depth, size and aliases
are bounded, nothing is ever constructed from a tag, and every key and value keeps its line and column. What
a scalar means (number, text …) is decided later, by what is expected there: see `reading`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from cloudberth.deployment import syntax
from cloudberth.errors import Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_VALUES = 20_000

Path = tuple[str | int, ...]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STANDARD_TAG = "tag:yaml.org,2002:"
_STANDARD_TAGS = frozenset({"str", "int", "float", "bool", "null", "map", "seq"})


@dataclass(slots=True)
class Scalar:
    """One value as it stands in the file. plain: without quotes. source: the text before variables were
    filled in."""

    text: str
    plain: bool
    line: int
    column: int
    source: str = ""
    filled: dict[str, str] = field(default_factory=dict)
    size: int = 1


@dataclass(slots=True)
class Sequence:
    line: int
    column: int
    items: list[Node] = field(default_factory=list)
    size: int = 1


@dataclass(slots=True)
class Entry:
    """A key with its value; line and column are the key's."""

    line: int
    column: int
    node: Node


@dataclass(slots=True)
class Mapping:
    """entries by key. implied: the key of `entries` is not in the file (a shorthand was spelled out)."""

    line: int
    column: int
    entries: dict[str, Entry] = field(default_factory=dict)
    size: int = 1
    implied: bool = False


Node = Scalar | Sequence | Mapping


@dataclass(slots=True)
class Document:
    """A file as nodes, with what was wrong about its YAML. root: empty when there was nothing to read."""

    file: str
    root: Mapping
    problems: list[Problem]
    readable: bool = True

    def scalars(self) -> Iterator[tuple[Path, Scalar]]:
        """Every value with its path; what an alias repeats comes at each of its paths."""
        yield from _scalars(self.root, ())

    def node(self, path: Path) -> Node | None:
        """The node at a path, None when the file has none."""
        found: Node | None = self.root
        for step in path:
            found = _child(found, step)
            if found is None:
                return None
        return found

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at a path (or of its key); of the nearest parent when it is not in
        the file."""
        place = (self.root.line, self.root.column)
        found: Node | None = self.root
        for i, step in enumerate(path):
            entry = found.entries.get(str(step)) if isinstance(found, Mapping) else None
            found = entry.node if entry else _child(found, step)
            if found is None:
                return place
            last = i == len(path) - 1
            place = (entry.line, entry.column) if entry and (key or not last) else (found.line, found.column)
        return place

    def problem(self, path: Path, what: str, hint: str = "", *, key: bool = False) -> Problem:
        line, column = self.place(path, key=key)
        return Problem(self.file, line, column, self.shown(path), what, hint)

    def shown(self, path: Path) -> str:
        """A path as people write it, without the steps that the file leaves out."""
        parts: list[str] = []
        found: Node | None = self.root
        for step in path:
            if not (isinstance(found, Mapping) and found.implied):
                parts.append(_step(step, first=not parts))
            found = _child(found, step)
        return "".join(parts)


def _step(step: str | int, *, first: bool) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    short = step if len(step) <= 40 else step[:39] + "…"
    if short and all(c.isalnum() or c in "_-" for c in short):
        return short if first else f".{short}"
    return f'["{syntax.printable(short)}"]'


def _child(node: Node | None, step: str | int) -> Node | None:
    if isinstance(node, Mapping):
        entry = node.entries.get(str(step))
        return entry.node if entry else None
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def _scalars(node: Node, path: Path) -> Iterator[tuple[Path, Scalar]]:
    match node:
        case Scalar():
            yield path, node
        case Sequence():
            for i, item in enumerate(node.items):
                yield from _scalars(item, (*path, i))
        case Mapping():
            for key, entry in node.entries.items():
                yield from _scalars(entry.node, (*path, key))


class _Stop(Exception):
    """Reading cannot go on; the problem is recorded."""


@dataclass(slots=True)
class _Frame:
    """A container that is still open. key: waiting for its value. skip: the value of this key is dropped."""

    node: Mapping | Sequence
    anchor: str | None
    key: Scalar | None = None
    skip: bool = False
    merged: list[Mapping] = field(default_factory=list)


class _Reader:
    def __init__(self, file: str) -> None:
        self.document = Document(file, Mapping(1, 1), [])
        self.anchors: dict[str, Node] = {}
        self.stack: list[_Frame] = []
        self.values = 0
        self.documents = 0

    def read(self, text: str) -> Document:
        try:
            for event in self._events(text):
                self._take(event)
        except _Stop:
            self.document.readable = False
        return self.document

    def _events(self, text: str) -> Iterator[Any]:
        try:
            yield from yaml.parse(text, Loader=_LOADER)
        except yaml.YAMLError as error:
            self.document.problems.append(syntax.problem(self.document.file, text, error))
            raise _Stop from None

    def _wrong(self, event: Any, what: str, hint: str = "") -> None:
        mark = event.start_mark if not isinstance(event, Scalar) else None
        line, column = (mark.line + 1, mark.column + 1) if mark else (event.line, event.column)
        self.document.problems.append(
            Problem(self.document.file, line, column, self.document.shown(self._here()), what, hint)
        )

    def _here(self) -> Path:
        """The path of what is being read."""
        path: list[str | int] = []
        for frame in self.stack:
            if isinstance(frame.node, Sequence):
                path.append(len(frame.node.items))
            elif frame.key is not None and not frame.skip:
                path.append(frame.key.text)
        return tuple(path)

    def _take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._check_tag(event)
                self._count(event, 1)
                self._add(self._scalar(event), event.anchor)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents == 2:
                    self._wrong(
                        event, "a second document starts here", "a deployment file holds one document"
                    )
                    raise _Stop

    def _scalar(self, event: Any) -> Scalar:
        mark = event.start_mark
        plain = not event.style and event.tag != _STANDARD_TAG + "str"
        return Scalar(event.value, plain, mark.line + 1, mark.column + 1, event.value)

    def _check_tag(self, event: Any) -> None:
        tag = event.tag
        if tag in (None, "!") or (
            tag.startswith(_STANDARD_TAG) and tag.removeprefix(_STANDARD_TAG) in _STANDARD_TAGS
        ):
            return
        shown = syntax.printable(tag.replace(_STANDARD_TAG, "!!"))
        self._wrong(event, f"the tag {shown} has no meaning here", "remove it")

    def _count(self, event: Any, values: int) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            self._wrong(
                event,
                f"holds more than {MAX_VALUES:,} values, aliases written out",
                "is this the right file?",
            )
            raise _Stop

    def _open(self, event: Any) -> None:
        self._check_tag(event)
        self._count(event, 1)
        if len(self.stack) == MAX_DEPTH:
            self._wrong(event, f"is nested more than {MAX_DEPTH} levels deep", "is this the right file?")
            raise _Stop
        mark = event.start_mark
        kind = Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence
        self.stack.append(_Frame(kind(mark.line + 1, mark.column + 1), event.anchor))

    def _close(self) -> None:
        frame = self.stack.pop()
        node = frame.node
        if isinstance(node, Mapping):
            for source in frame.merged:
                for key, entry in source.entries.items():
                    node.entries.setdefault(key, entry)
            node.size += sum(entry.node.size for entry in node.entries.values())
        else:
            node.size += sum(item.size for item in node.items)
        self._add(node, frame.anchor)

    def _alias(self, event: Any) -> None:
        name = event.anchor
        node = self.anchors.get(name)
        if any(frame.anchor == name for frame in self.stack):
            self._wrong(event, f"*{name} stands inside &{name} itself")
        elif node is None:
            self._wrong(
                event,
                f"there is no anchor &{name} above",
                f"mark a value with &{name}, or put the text in quotes",
            )
        else:
            self._count(event, node.size)
        mark = event.start_mark
        self._add(node or Scalar("", True, mark.line + 1, mark.column + 1), None)

    def _add(self, node: Node, anchor: str | None) -> None:
        """A finished node goes into the container that is open."""
        if anchor is not None:
            self.anchors[anchor] = node
        if not self.stack:
            self._root(node)
            return
        frame = self.stack[-1]
        if isinstance(frame.node, Sequence):
            frame.node.items.append(node)
        elif frame.key is None:
            self._key(frame, node)
        else:
            self._value(frame, frame.node, frame.key, node)

    def _root(self, node: Node) -> None:
        if isinstance(node, Mapping):
            self.document.root = node
        elif isinstance(node, Scalar) and node.plain and not node.text:
            self._empty()
        else:
            kind = "a list" if isinstance(node, Sequence) else "a single value"
            self._wrong_at(node, f"the file holds {kind} instead of keys", "start with the line name: …")

    def _wrong_at(self, node: Node, what: str, hint: str) -> None:
        self.document.problems.append(Problem(self.document.file, node.line, node.column, "", what, hint))
        self.document.readable = False

    def _empty(self) -> None:
        self.document.problems.append(
            Problem(
                self.document.file, 0, 0, "", "the file is empty", "`berth init` writes one to start from"
            )
        )
        self.document.readable = False

    def _key(self, frame: _Frame, node: Node) -> None:
        if isinstance(node, Scalar) and node.text:
            frame.key = node
        else:
            self._wrong_at_key(node)
            frame.key, frame.skip = Scalar("", True, node.line, node.column), True

    def _wrong_at_key(self, node: Node) -> None:
        here = self.document.shown(self._here())
        what = "a key must be text" if not isinstance(node, Scalar) else "a key is empty"
        self.document.problems.append(Problem(self.document.file, node.line, node.column, here, what, ""))

    def _value(self, frame: _Frame, mapping: Mapping, key: Scalar, node: Node) -> None:
        skip, frame.skip = frame.skip, False
        if skip:
            pass
        elif key.plain and key.text == "<<":
            self._merge(frame, node)
        elif first := mapping.entries.get(key.text):
            self._wrong(key, "this key stands twice", f"the first is in line {first.line}; keep one")
        else:
            mapping.entries[key.text] = Entry(key.line, key.column, node)
        frame.key = None

    def _merge(self, frame: _Frame, node: Node) -> None:
        sources = node.items if isinstance(node, Sequence) else [node]
        for source in sources:
            if isinstance(source, Mapping):
                self.values += source.size
                frame.merged.append(source)
            else:
                self._wrong(
                    Scalar("", True, source.line, source.column),
                    "<< takes a mapping (or a list of mappings)",
                    "write <<: *anchor, where &anchor marks a mapping",
                )


def read(text: str, file: str) -> Document:
    """The text of a deployment file as nodes. Never raises: what is wrong is in `problems`."""
    if odd := syntax.unusable_character(text):
        line, column, name = odd
        problem = Problem(file, line, column, "", f"the file contains {name}", "is this a text file?")
        return Document(file, Mapping(1, 1), [problem], readable=False)
    reader = _Reader(file)
    document = reader.read(text)
    if document.readable and reader.documents == 0:
        reader._empty()
    return document
