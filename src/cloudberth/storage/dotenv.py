"""`.env` files as Dify reads them: quotes, `export`, comments, long values, ``${OTHER:-default}``.

The rules are those of python-dotenv, which Dify's settings are read with. One difference: a line that makes
no sense is an error with its number, not a warning in a log (docker compose refuses such a file too).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cloudberth.errors import InvalidInput

_BLANK = re.compile(r"\s*", re.ASCII)
_EXPORT = re.compile(r"export[^\S\r\n]+")
_NAME = re.compile(r"'([^']+)'|((?!')[^=\#\s]+)")
_EQUALS = re.compile(r"[^\S\r\n]*=[^\S\r\n]*")
_SINGLE = re.compile(r"'((?:\\'|[^'])*)'")
_DOUBLE = re.compile(r'"((?:\\"|[^"])*)"')
_BARE = re.compile(r"[^\r\n]*")
_REST = re.compile(r"[^\S\r\n]*(?:#[^\r\n]*)?(?:\r\n|\n|\r|$)")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_REFERENCE = re.compile(r"\$\{(?P<name>[^\}:]*)(?::-(?P<default>[^\}]*))?\}")


def read(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a file; `environment` only fills in references. Raises InvalidInput."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("the file is no text in UTF-8", where=str(path)) from None
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", where=str(path)) from None
    return parse(text, environment, name=str(path))


def parse(text: str, environment: Mapping[str, str], *, name: str = ".env") -> dict[str, str]:
    """The variables of a text; a name without ``=`` is unset. Raises InvalidInput with the line's number."""
    values: dict[str, str] = {}
    at = 0
    while (at := _skip(text, at)) < len(text):
        start = at
        if export := _EXPORT.match(text, at):
            at = export.end()
            if text.startswith("#", at):
                continue
        key = _NAME.match(text, at)
        if key is None:
            raise _senseless(text, start, name)
        at = key.end()
        value: str | None = None
        if equals := _EQUALS.match(text, at):
            value, at = _value(text, equals.end())
        rest = _REST.match(text, at)
        if rest is None:
            raise _senseless(text, start, name)
        at = rest.end()
        if value is None:
            values.pop(key[1] or key[2], None)
        else:
            known = {**environment, **values}
            values[key[1] or key[2]] = _REFERENCE.sub(lambda found: _filled(found, known), value)  # noqa: B023
    return values


def _skip(text: str, at: int) -> int:
    """Past blank lines and lines of comment."""
    while True:
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
        if not text.startswith("#", at):
            return at
        rest = _REST.match(text, at)
        at = rest.end() if rest else len(text)


def _value(text: str, at: int) -> tuple[str, int]:
    if quoted := _SINGLE.match(text, at):
        return re.sub(r"\\([\\'])", r"\1", quoted[1]), quoted.end()
    if quoted := _DOUBLE.match(text, at):
        return (
            re.sub(r"\\([\\'\"abfnrtv])", lambda found: _ESCAPES.get(found[1], found[1]), quoted[1]),
            quoted.end(),
        )
    bare = _BARE.match(text, at)
    if bare is None or bare[0][:1] in {"'", '"'}:
        return "", at
    return re.sub(r"\s+#.*", "", bare[0]).rstrip(), bare.end()


def _filled(found: re.Match[str], known: Mapping[str, str]) -> str:
    return known.get(found["name"], found["default"] or "")


def _senseless(text: str, at: int, name: str) -> InvalidInput:
    line = text.count("\n", 0, at) + 1
    return InvalidInput(
        "the line makes no sense", where=f"{name}:{line}", hint="write NAME=value; is a quote left open?"
    )
