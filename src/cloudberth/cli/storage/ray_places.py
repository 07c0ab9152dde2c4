"""A location as the workers of a Ray cluster open it: its settings, taken from here, credentials included.

Credentials that are no settings (an instance's role, a profile) are the workers' own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cloudberth.cli.storage.arguments import deployed_environment
from cloudberth.errors import InvalidInput
from cloudberth.storage.transfer.on_ray import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudberth.storage.location import Url
    from cloudberth.storage.options import Options


def place(text: str, options: Options) -> Place:
    """Everything below a location. A path has to mean the same folder on every machine of the cluster."""
    from cloudberth.storage import dotenv
    from cloudberth.storage.location import (
        DeployedBucket,
        EnvironmentFile,
        LocalPath,
        StandardStream,
        parse,
    )

    match parse(text):
        case LocalPath(path=path):
            return Place("local", {"bucket": str(path.absolute())}, "", options)
        case EnvironmentFile(path=path, key=key):
            return _of_variables(dotenv.read(path, os.environ), _folder(key), text, options)
        case DeployedBucket(path=path, key=key):
            return _of_variables(deployed_environment(path), _folder(key), text, options)
        case StandardStream():
            raise InvalidInput("standard input and output are no store", where=text)
        case url:
            return _of_url(url, options)


def _of_variables(variables: Mapping[str, str], key: str, text: str, options: Options) -> Place:
    from cloudberth.storage.registry import backend_class

    kind = variables.get("STORAGE_TYPE", "").strip()
    if not kind:
        raise InvalidInput("STORAGE_TYPE is not set there", where=text.partition("#")[0])
    settings = backend_class(kind).settings.from_environment(variables)
    return Place(kind, settings.model_dump(), settings.prefix + key, options)


def _of_url(url: Url, options: Options) -> Place:
    from cloudberth.storage import dotenv
    from cloudberth.storage.location import OPENDAL
    from cloudberth.storage.registry import SCHEMES, backend_class

    query = dict(url.query)
    file = query.pop("env", "")
    environment = dotenv.read(Path(file), os.environ) if file else os.environ
    opendal = url.scheme.startswith(OPENDAL)
    if opendal:
        query["scheme"] = url.scheme.removeprefix(OPENDAL)
    kind = "opendal" if opendal else SCHEMES[url.scheme]
    settings = backend_class(kind).settings.from_url(url.bucket, "", query, environment)
    return Place(kind, settings.model_dump(), settings.prefix + _folder(url.key), options)


def _folder(key: str) -> str:
    return key if not key or key.endswith("/") else f"{key}/"
