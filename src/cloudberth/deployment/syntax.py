"""What is wrong with the YAML itself, in our own words: the same whether libyaml or PyYAML's own parser
found it."""

from __future__ import annotations

import re

import yaml

from cloudberth.errors import Problem

# YAML's printable characters; everything else cannot stand in a file. U+FEFF is removed at the start.
_UNUSABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

_QUOTES = 'put the text in quotes: "…"'
# (part of the parser's message, our words, hint), first match counts.
_WORDS: tuple[tuple[str, str, str], ...] = (
    (
        "mapping values are not allowed",
        'a ":" stands where no key can be',
        "check the indentation, or put a text with : in quotes",
    ),
    ("while scanning a quoted scalar", "the quotation mark that opens here is never closed", "close it"),
    ("unknown escape character", "a backslash is followed by something unknown", "use single quotes: '…'"),
    ("expected escape sequence", "a backslash is followed by something unknown", "use single quotes: '…'"),
    ("could not find expected ':'", 'this is neither "key: value" nor a list item', 'is a ":" missing?'),
    (
        "alphabetic or numeric character",
        "an anchor or alias has no name",
        'text with * or & needs quotes: "*"',
    ),
    (
        "while parsing a flow sequence",
        "a list in [ ] is not closed, or a comma is missing",
        "check the brackets",
    ),
    (
        "while parsing a flow mapping",
        "a mapping in { } is not closed, or a comma is missing",
        'text with ${…} inside { } needs quotes: "${NAME}"',
    ),
    (
        "block sequence entries are not allowed",
        'a "-" stands where no list item can be',
        "put it on a line of its own",
    ),
    (
        "while parsing a block collection",
        "the indentation does not fit the list above",
        "align it with the list",
    ),
    (
        "while parsing a block mapping",
        "the indentation does not fit the lines above",
        "align it with the keys above",
    ),
    ("expected <block end>", "the indentation does not fit the lines above", "align it with the keys above"),
    ("<document start>", "the indentation does not fit the lines above", "align it with the keys above"),
    ("cannot start any token", "a value cannot start with this character", _QUOTES),
    (
        "while scanning a block scalar",
        "the text after | or > is not indented as it should be",
        "indent it by 2 spaces",
    ),
    ("while scanning a simple key", 'this is neither "key: value" nor a list item', 'is a ":" missing?'),
    ("directive", "a line that starts with % is a YAML directive", "remove it"),
    ("tag", "a tag (!…) is not complete", "remove it, or put the text in quotes"),
)
_AT_CONTEXT = ("while scanning a quoted scalar",)


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def place_of(text: str, index: int) -> tuple[int, int]:
    """Line and column (from 1) of a character."""
    line, start = 1, 0
    for match in _BREAK.finditer(text, 0, index):
        line, start = line + 1, match.end()
    return line, index - start + 1


def unusable_character(text: str) -> tuple[int, int, str] | None:
    """Line, column and name of the first character that no YAML file can hold."""
    match = _UNUSABLE.search(text)
    if not match:
        return None
    code = ord(match.group())
    return *place_of(
        text, match.start()
    ), f"the control character U+{code:04X}" if code < 0xA0 else f"U+{code:04X}"


def _tab_before(text: str, line: int, column: int) -> int | None:
    """Column of a tab in the blank space up to (and including) a place."""
    lines = text.splitlines()
    if line > len(lines):
        return None
    blank = lines[line - 1][: max(column, 1)]
    head = blank[: len(blank) - len(blank.lstrip(" \t"))] or blank[-1:]
    return blank.index("\t", blank.rindex(head)) + 1 if "\t" in head else None


def problem(file: str, text: str, error: yaml.YAMLError) -> Problem:
    """The parser's error as a problem with its place."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(file, 0, 0, "", "the file is not valid YAML", "is this the right file?")
    message = f"{error.context or ''} {error.problem or ''}"
    what, hint, known = _in_our_words(message)
    mark = _mark(error, known)
    if mark is None:
        return Problem(file, 0, 0, "", what, hint)
    line, column = mark.line + 1, mark.column + 1
    tab = _tab_before(text, line, column)
    if tab is not None and known not in _AT_CONTEXT:
        return Problem(file, line, tab, "", "a tab stands where YAML wants spaces", "indent with spaces")
    return Problem(file, line, column, "", what, hint)


def _mark(error: yaml.MarkedYAMLError, known: str) -> yaml.Mark | None:
    """Where to look: at the opening quotation mark or bracket when the other is not in its line."""
    start, end = error.context_mark, error.problem_mark
    if known in _AT_CONTEXT or ("flow" in known and start and end and start.line != end.line):
        return start
    return end or start


def _in_our_words(message: str) -> tuple[str, str, str]:
    for part, what, hint in _WORDS:
        if part in message:
            return what, hint, part
    return "the file is not valid YAML here", "check quotes, brackets and indentation", ""
