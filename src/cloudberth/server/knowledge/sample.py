"""The sample of a first start: a dataset with an English and a Chinese document, to try a search on."""

from __future__ import annotations

import logging
from pathlib import Path

from cloudberth.errors import CloudberthError, PreconditionFailed
from cloudberth.knowledge.service import Knowledge

NAME = "sample"
FOLDER = Path(__file__).parent / "samples"
_log = logging.getLogger(__name__)


def seed(service: Knowledge, mark: Path) -> bool:
    """Make the sample, once for ever: whether it was made now. mark: the file that says that it was made.

    Workers index it. What goes wrong is logged: a server without a sample is a server all the same.
    """
    if mark.exists():
        return False
    try:
        if service.datasets(size=1).total:
            mark.touch(mode=0o600)
            return False
        made = service.create_dataset(
            NAME, description="Cloudberth in English and Chinese: ask it something. 中英文示例。"
        )
        for file in sorted(FOLDER.glob("*.md")):
            language = file.stem.rpartition(".")[2]
            service.add_document(
                made.id, file.name, file, metadata={"lang": language}, content_type="text/markdown"
            )
        mark.touch(mode=0o600)
    except PreconditionFailed:
        # Another server on the same tables was quicker.
        mark.touch(mode=0o600)
        return False
    except CloudberthError as error:
        _log.warning("the sample could not be made: %s", error)
        return False
    return True
