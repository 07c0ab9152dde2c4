"""Who calls, and what their key allows."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import Depends, Path, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cloudberth.cache.rate_limits import headers as limit_headers
from cloudberth.knowledge.model import Access, Scope
from cloudberth.server.knowledge.part import KnowledgePart
from cloudberth.server.knowledge.problems import ApiError
from cloudberth.server.services import services_of

_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_EXAMPLE = "0197a3f2-5c1e-7f00-8a4b-3d1f6f2f9c11"
DatasetId = Annotated[str, Path(pattern=_UUID, description="Identifier of a dataset.", examples=[_EXAMPLE])]
DocumentId = Annotated[str, Path(pattern=_UUID, description="Identifier of a document.", examples=[_EXAMPLE])]
KeyId = Annotated[
    str, Path(pattern="^key-[0-9a-f]{12}$", description="Identifier of a key.", examples=["key-0a1b2c3d4e5f"])
]
JobId = Annotated[str, Path(pattern="^[0-9A-Za-z_-]{1,64}$", description="Identifier of a job.")]

_bearer = HTTPBearer(
    auto_error=False, scheme_name="key", description="A key: of one dataset or all, to read or to write."
)


def part_of(request: Request) -> KnowledgePart:
    """The knowledge of the server."""
    return services_of(request).knowledge


def caller(
    request: Request,
    response: Response,
    shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Access:
    """Whoever shows a key. Raises ApiError 401 without one, 429 when it is used too often."""
    part = part_of(request)
    access = part.service.authenticate(shown.credentials.strip()) if shown is not None else None
    if access is None:
        raise ApiError(
            401,
            "a key is needed" if shown is None else "this key is none, or has ended",
            hint="Authorization: Bearer kb_…; keys are made in the console",
            headers={"WWW-Authenticate": 'Bearer realm="knowledge"'},
        )
    decision = part.calls.take(access.key_id)
    response.headers.update(limit_headers(decision))
    if not decision.allowed:
        seconds = max(1, math.ceil(decision.retry_after))
        raise ApiError(429, "too many calls", hint=f"again in {seconds} s", headers=limit_headers(decision))
    return access


Caller = Annotated[Access, Depends(caller)]


def check(access: Access, scope: Scope, dataset_id: str = "") -> None:
    """Raise ApiError 403 when a key does not allow that. dataset_id empty: all datasets."""
    if access.allows(scope, dataset_id):
        return
    if access.dataset_id not in ("", dataset_id):
        raise ApiError(
            403, "this key opens another dataset" if dataset_id else "this key opens one dataset only"
        )
    raise ApiError(403, "this key can only read", hint="use a key of scope write")


def reader(access: Caller, dataset_id: DatasetId) -> Access:
    check(access, Scope.READ, dataset_id)
    return access


def writer(access: Caller, dataset_id: DatasetId) -> Access:
    check(access, Scope.WRITE, dataset_id)
    return access


def owner(access: Caller) -> Access:
    """Whoever may do everything: a key of scope write for all datasets."""
    check(access, Scope.WRITE)
    return access


Part = Annotated[KnowledgePart, Depends(part_of)]
Reader = Annotated[Access, Depends(reader)]
Writer = Annotated[Access, Depends(writer)]
Owner = Annotated[Access, Depends(owner)]
