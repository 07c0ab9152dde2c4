"""Keys of programs. Who may manage them has a key of scope write for all datasets."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from cloudberth.errors import InvalidInput
from cloudberth.server.knowledge.access import KeyId, Owner, Part
from cloudberth.server.knowledge.problems import PREFIX, KnowledgeRoute, documented
from cloudberth.server.knowledge.shapes import KeyIn, KeyOut, MadeKeyOut, RotateIn

router = APIRouter(prefix=f"{PREFIX}/keys", route_class=KnowledgeRoute, tags=["keys"])


@router.get("", responses=documented())
def list_keys(
    part: Part,
    _access: Owner,
    dataset_id: Annotated[str, Query(pattern="^([0-9a-f-]{36})?$", description="Only of this dataset.")] = "",
) -> list[KeyOut]:
    """All keys, or those that open only one dataset; the oldest first."""
    return [KeyOut.model_validate(one) for one in part.service.keys(dataset_id)]


@router.post("", status_code=201, responses=documented(404))
def create_key(part: Part, _access: Owner, given: KeyIn) -> MadeKeyOut:
    """A new key; its text is in this answer and nowhere else."""
    if given.expires is not None and given.expires.tzinfo is None:
        raise InvalidInput("a time needs its zone", where="expires", hint="2027-01-31T00:00:00Z")
    if given.dataset_id:
        part.service.dataset(given.dataset_id)
    made, text = part.service.create_key(
        given.label, dataset_id=given.dataset_id, scope=given.scope, expires=given.expires
    )
    return _with_text(KeyOut.model_validate(made), text)


@router.post("/{key_id}/rotate", status_code=201, responses=documented(404))
def rotate_key(part: Part, _access: Owner, key_id: KeyId, given: RotateIn | None = None) -> MadeKeyOut:
    """A new key of the same rights; the old one ends, at once or after the overlap."""
    overlap = timedelta(seconds=given.overlap_seconds if given else 0)
    made, text = part.service.rotate_key(key_id, overlap=overlap)
    return _with_text(KeyOut.model_validate(made), text)


@router.delete("/{key_id}", status_code=204, responses=documented(404))
def revoke_key(part: Part, _access: Owner, key_id: KeyId) -> None:
    """End a key; other servers notice within five seconds."""
    part.service.revoke_key(key_id)


def _with_text(key: KeyOut, text: str) -> MadeKeyOut:
    return MadeKeyOut(**key.model_dump(), key=text)
