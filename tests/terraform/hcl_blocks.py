"""Reads HCL as far as tests need it: blocks with labels, nested blocks, and arguments as text.

`read(text)` raises ValueError with the line when braces, quotes or here-documents do not close. Expressions
are kept as text (`normal` makes two of them comparable); what they mean is Terraform's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = re.compile(r'([A-Za-z_][\w-]*)((?:[ \t]+"[^"\n]*")*)[ \t]*\{')
_ARGUMENT = re.compile(r"([A-Za-z_][\w-]*)[ \t]*=(?!=)[ \t]*")
_HEREDOC = re.compile(r"<<[-~]?([A-Z_]+)\n")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Block:
    """One block. type: `resource`, `dynamic` …; line: where it begins, from 1."""

    type: str
    labels: tuple[str, ...]
    line: int
    arguments: dict[str, str] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()

    def nested(self, *types: str) -> Iterator[Block]:
        """Blocks directly inside, by type; a `dynamic "x"` counts as an `x` with what its content holds."""
        for block in self.blocks:
            made = block
            if block.type == "dynamic":
                content = next(inner for inner in block.blocks if inner.type == "content")
                made = Block(block.labels[0], (), block.line, content.arguments, content.blocks)
            if not types or made.type in types:
                yield made


def read(text: str) -> tuple[Block, ...]:
    """The blocks at the top of a file. Raises ValueError."""
    _, blocks, end = _body(text, 0)
    if end != len(text):
        raise ValueError(f"line {_line(text, end)}: a brace closes nothing")
    return blocks


def read_folder(folder: Path) -> tuple[Block, ...]:
    """The blocks of every .tf file directly in a folder."""
    found: list[Block] = []
    for file in sorted(folder.glob("*.tf")):
        try:
            found.extend(read(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{file.name}: {error}") from None
    return tuple(found)


def normal(expression: str) -> str:
    """An expression without comments, and without anything that formatting may change."""
    return re.sub(r"[\s,]+", "", re.sub(r"(?m)^\s*#.*$", "", expression))


def _body(text: str, at: int) -> tuple[dict[str, str], tuple[Block, ...], int]:
    """Arguments and blocks from a place up to the brace that closes them, or the end of the text."""
    arguments: dict[str, str] = {}
    blocks: list[Block] = []
    while (at := _skip_space(text, at)) < len(text) and text[at] != "}":
        if head := _HEAD.match(text, at):
            inner_arguments, inner_blocks, end = _body(text, head.end())
            if end >= len(text):
                raise ValueError(f"line {_line(text, at)}: the block {head[1]} is never closed")
            labels = tuple(re.findall(r'"([^"]*)"', head[2]))
            blocks.append(Block(head[1], labels, _line(text, at), inner_arguments, inner_blocks))
            at = end + 1
        elif argument := _ARGUMENT.match(text, at):
            end = _expression_end(text, argument.end())
            arguments[argument[1]] = text[argument.end() : end].strip()
            at = end
        else:
            raise ValueError(f"line {_line(text, at)}: neither a block nor an argument")
    return arguments, tuple(blocks), at


def _expression_end(text: str, at: int) -> int:
    """Where the expression ends: the first line break outside brackets, strings and here-documents."""
    start, closers = at, ""
    while at < len(text):
        character = text[at]
        if character == '"':
            at = _string_end(text, at)
        elif heredoc := _HEREDOC.match(text, at):
            close = re.compile(rf"^\s*{heredoc[1]}$", re.MULTILINE).search(text, heredoc.end())
            if not close:
                raise ValueError(f"line {_line(text, at)}: the here-document {heredoc[1]} is never closed")
            at = close.end()
        elif (skipped := _comment_end(text, at)) != at:
            at = skipped
        elif character in _CLOSERS:
            closers += _CLOSERS[character]
            at += 1
        elif closers and character == closers[-1]:
            closers = closers[:-1]
            at += 1
        elif character in _CLOSERS.values() and closers:
            break
        elif character in _CLOSERS.values() or (character == "\n" and not closers):
            return at
        else:
            at += 1
    if closers:
        raise ValueError(f"line {_line(text, start)}: a bracket is never closed")
    return at


def _string_end(text: str, at: int) -> int:
    """Behind the quotation mark that ends a string; strings may stand in the places of a string."""
    start, at, places = at, at + 1, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith(("$${", "%%{"), at):
            at += 3
        elif text.startswith(("${", "%{"), at):
            places += 1
            at += 2
        elif places and text[at] == '"':
            at = _string_end(text, at)
        elif places and text[at] in "{}":
            places += 1 if text[at] == "{" else -1
            at += 1
        elif text[at] == '"':
            return at + 1
        elif text[at] == "\n" and not places:
            break
        else:
            at += 1
    raise ValueError(f"line {_line(text, start)}: a string is never closed")


def _skip_space(text: str, at: int) -> int:
    while at < len(text):
        skipped = _comment_end(text, at)
        if skipped != at:
            at = skipped
        elif text[at].isspace():
            at += 1
        else:
            return at
    return at


def _comment_end(text: str, at: int) -> int:
    """Behind the comment that begins here, or the same place."""
    if text[at] == "#" or text.startswith("//", at):
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    if text.startswith("/*", at):
        end = text.find("*/", at)
        return len(text) if end < 0 else end + 2
    return at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
