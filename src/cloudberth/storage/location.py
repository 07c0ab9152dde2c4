"""Locations: where objects are, as people write it, and how it is opened.

::

    s3://bucket/uploads/a.txt?region=eu-west-1    a URL; its query holds settings, never secrets
    opendal+webdav://bucket/…                     any scheme of OpenDAL
    .env  prod.env#uploads/  env:FILE#uploads/    a Dify `.env` file, optionally a key or prefix in its bucket
    berth.yaml  dify#uploads/  berth:FILE#…       the bucket of a deployment that is up: its file, or its name
    ./folder/a.txt  /srv/dify  file:///srv/dify   files on this machine
    -                                             standard input or output (`berth storage cp`)

The key of a URL is everything behind the bucket's ``/`` up to the first ``?``, and that of the others what
stands behind the ``#``. It is taken as it is written (``+``, ``#``, ``//``, ``..``, spaces), except that
``%XX`` is one byte of it: so ``%`` is written ``%25``, ``?`` in a URL ``%3F``, and every key can be reached.
A ``%`` without two hexadecimal digits is an error, not a guess. Paths on this machine are taken as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes

from cloudberth.errors import InvalidInput
from cloudberth.storage.registry import SCHEMES, backend_class

if TYPE_CHECKING:
    from cloudberth.storage.options import Options
    from cloudberth.storage.storage import Storage

OPENDAL = "opendal+"
STANDARD_STREAM = "-"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WORD = re.compile(r"[a-z0-9][a-z0-9-]*")
_DEPLOYMENT_NAMES = {"berth.yaml", "berth.yml"}
_NAME_LINE = re.compile(r"^name:\s*[\"']?([a-z0-9][a-z0-9-]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Url:
    """A bucket of a vendor. key: decoded. query: settings by their field's name."""

    text: str
    scheme: str
    bucket: str
    key: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EnvironmentFile:
    """A Dify `.env` file."""

    text: str
    path: Path
    key: str = ""


@dataclass(frozen=True, slots=True)
class DeployedBucket:
    """The bucket of a deployment: path is its file."""

    text: str
    path: Path
    key: str = ""


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file or folder of this machine. folder: it is one, or is meant as one.

    durable: what is written is on the disk when a call returns, not only safe from a killed process.
    """

    text: str
    path: Path
    folder: bool
    durable: bool = True


@dataclass(frozen=True, slots=True)
class StandardStream:
    """Standard input or output."""

    text: str = STANDARD_STREAM


Location = Url | EnvironmentFile | DeployedBucket | LocalPath | StandardStream
Environment = Mapping[str, str]
Deployed = Callable[[Path], Environment]
"""From a deployment's file to the variables that its application has (STORAGE_TYPE and so on)."""


# -- reading a location ----------------------------------------------------------------------------------


def parse(text: str, folder: Path = Path()) -> Location:
    """What a text means. folder: where names without a path are looked up. Raises InvalidInput."""
    if text == STANDARD_STREAM:
        return StandardStream()
    if not text:
        raise InvalidInput("a location is empty", hint=_FORMS)
    if url := _URL.fullmatch(text):
        return _url(text, url[1].lower(), url[2])
    if text.startswith(("./", "../", "/", "~")) and not _is_environment_file(text.partition("#")[0]):
        return _local(text, folder)
    for marker, kind in (("env:", EnvironmentFile), ("berth:", DeployedBucket)):
        if text.startswith(marker):
            name, _, key = text.removeprefix(marker).partition("#")
            return kind(text, folder / name, decoded_key(key, text))
    return _named(text, folder)


def _url(text: str, scheme: str, rest: str) -> Location:
    head, mark, query = rest.partition("?")
    bucket, _, key = head.partition("/")
    if scheme == "file":
        path = Path("/" + decoded_key(key, text))
        if bucket not in {"", "localhost"} or mark:
            raise InvalidInput("a file:// location is file:///path", where=text)
        return LocalPath(text, path, head.endswith("/") or path.is_dir())
    if scheme not in SCHEMES and not scheme.startswith(OPENDAL):
        known = ", ".join(f"{name}://" for name in sorted(SCHEMES))
        raise InvalidInput(f"no store has the scheme {scheme}://", where=text, hint=f"there are: {known}")
    if "@" in bucket:
        raise InvalidInput(
            "a location holds no keys: everybody on this machine can see it",
            where=f"{scheme}://",
            hint="set the vendor's variables, or name a .env file (?env=FILE)",
        )
    settings = _settings(query, f"{scheme}://{head}") if mark else {}
    return Url(text, scheme, unquote(bucket), decoded_key(key, text), settings)


def _settings(query: str, head: str) -> dict[str, str]:
    hint = "settings are name=value&name=value; a ? that belongs to the key is written %3F"
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidInput("what stands behind the ? is no setting", where=head, hint=hint)
        found[unquote(name)] = unquote(value)
    return found


def _named(text: str, folder: Path) -> Location:
    name, _, key = text.partition("#")
    if _is_environment_file(name):
        return EnvironmentFile(text, folder / name, decoded_key(key, text))
    if Path(name).name in _DEPLOYMENT_NAMES:
        return DeployedBucket(text, folder / name, decoded_key(key, text))
    if _WORD.fullmatch(name) and not (folder / text).exists():
        file = folder / "berth.yaml"
        if _deployment_name(file) == name:
            return DeployedBucket(text, file, decoded_key(key, text))
    return _local(text, folder)


def _is_environment_file(name: str) -> bool:
    last = name.rpartition("/")[2]
    return last.endswith(".env") or last.startswith(".env.")


def _deployment_name(file: Path) -> str:
    try:
        found = _NAME_LINE.search(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
    return found[1] if found else ""


def _local(text: str, folder: Path) -> LocalPath:
    path = folder / Path(text).expanduser()
    return LocalPath(text, path, text.endswith("/") or path.is_dir())


def decoded_key(text: str, location: str = "") -> str:
    """A key as it is written in a location → the key. Raises InvalidInput for a lone ``%``."""
    if "%" not in text:
        return text
    if wrong := _PERCENT.search(text):
        raise InvalidInput(
            f"the % at {text[wrong.start() : wrong.start() + 3]!r} needs two hexadecimal digits",
            where=location.partition("?")[0],
            hint="a % that belongs to the key is written %25",
        )
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise InvalidInput(
            "the key is no UTF-8 when its %XX are put together", where=location.partition("?")[0]
        ) from None


def encoded_key(key: str) -> str:
    """A key as it can be written in a location: `decoded_key` gives it back, and a terminal can show it."""
    return "".join(
        character if character.isprintable() and character not in "%?" else _percent(character)
        for character in key
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


# -- opening ---------------------------------------------------------------------------------------------


def open_location(
    text: str,
    environment: Environment,
    options: Options | None = None,
    deployed: Deployed | None = None,
) -> tuple[Storage, str]:
    """The store that a location is in, and the key or prefix there (may be empty).

    environment: where a URL's credentials come from. deployed: how to ask for a deployment's variables;
    without it such locations raise InvalidInput. Makes no request to a store.
    """
    return open_parsed(parse(text), environment, options, deployed)


def open_parsed(
    location: Location,
    environment: Environment,
    options: Options | None = None,
    deployed: Deployed | None = None,
) -> tuple[Storage, str]:
    """The same for a location that has been read."""
    from cloudberth.storage.options import Options

    chosen = options or Options()
    match location:
        case Url():
            return _open_url(location, environment, chosen), location.key
        case EnvironmentFile():
            return _open_environment(_variables(location, environment), chosen, location.text), location.key
        case DeployedBucket():
            if deployed is None:
                raise InvalidInput("a deployment's bucket cannot be asked for here", where=location.text)
            return _open_environment(deployed(location.path), chosen, location.text), location.key
        case LocalPath():
            return _open_path(location, chosen)
        case StandardStream():
            raise InvalidInput("standard input and output are no store", where="-", hint=_FORMS)


def _variables(location: EnvironmentFile, environment: Environment) -> Environment:
    """The file's variables alone: what this process happens to have must not get mixed in."""
    from cloudberth.storage import dotenv

    return dotenv.read(location.path, environment)


def _open_environment(environment: Environment, options: Options, where: str) -> Storage:
    from cloudberth import storage

    if not environment.get("STORAGE_TYPE", "").strip():
        raise InvalidInput(
            "STORAGE_TYPE is not set there", where=where.partition("#")[0], hint="it names the kind of store"
        )
    return storage.open(environment, options)


def _open_url(location: Url, environment: Environment, options: Options) -> Storage:
    from cloudberth.storage.storage import Storage

    query = dict(location.query)
    if file := query.pop("env", ""):
        environment = _variables(EnvironmentFile(file, Path(file)), environment)
    scheme = location.scheme
    if scheme.startswith(OPENDAL):
        kind = backend_class("opendal")
        query["scheme"] = scheme.removeprefix(OPENDAL)
    else:
        kind = backend_class(SCHEMES[scheme])
    settings = kind.settings.from_url(location.bucket, "", query, environment)
    return Storage(kind.open(settings, options), options)


def _open_path(location: LocalPath, options: Options) -> tuple[Storage, str]:
    from cloudberth.storage.storage import Storage

    root = location.path if location.folder else location.path.parent
    kind = backend_class("local")
    query = {} if location.durable else {"fsync": "false"}
    settings = kind.settings.from_url(str(root.absolute()), "", query, {})
    return Storage(kind.open(settings, options), options), "" if location.folder else location.path.name


_FORMS = "a URL (s3://bucket/key), a .env file, a name or file of a deployment, or a path"
