"""From a bucket to facts about it. Everything that asks a server stands here and in what it calls."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from cloudberth.errors import CloudberthError, NotFound, PermissionDenied
from cloudberth.storage.contract import Backend, BucketFacts, ObjectInfo
from cloudberth.storage.doctor.facts import Attempt, Facts, ServerFacts, wrong_keys
from cloudberth.storage.doctor.network import Recorder, look_at, proxy_of, recording
from cloudberth.storage.doctor.policies import policy_for, rights_of
from cloudberth.storage.doctor.probing import Notice, probing

if TYPE_CHECKING:
    from cloudberth.storage.storage import Storage

_UPLOADS_COUNTED = 10_000
# What backends call that which signs for them: a value with a `source`, or a provider of such values.
_HOLDERS = ("provider", "credentials", "identity", "keys", "signs")
# Types whose requests carry what one variable says.
_VARIABLES = {
    "clickzetta-volume": "CLICKZETTA_VOLUME_USERNAME and its password",
    "opendal": "OPENDAL_… variables, or what OpenDAL finds",
    "supabase": "SUPABASE_API_KEY",
}


def collect(
    store: Storage, *, read_only: bool = False, create: bool = False, notice: Notice = lambda _name: None
) -> Facts:
    """Find everything out. read_only: write nothing. create: make the bucket when it is missing.

    notice: called with the name of each step. Errors of the store are facts, and never raised.
    """
    inner: Backend = getattr(store.backend, "inner", store.backend)
    credentials = credentials_of(inner)
    with recording(inner) as recorder:
        notice("bucket")
        bucket = _bucket(store, create=create)
        facts = Facts(
            type=store.type,
            place=store.place,
            credentials=credentials,
            read_only=read_only,
            at=datetime.now(UTC),
            bucket=bucket,
            configured_region=str(getattr(inner, "region", "") or ""),
            multipart=store.capabilities.multipart,
            rights=rights_of(store.type),
            policy=policy_for(store.type, getattr(inner, "bucket", ""), store.prefix),
        )
        if may_go_on(bucket):
            facts = _probed(facts, store, notice)
    return replace(facts, servers=_servers(store, inner, recorder, notice), skew=recorder.skew)


def may_go_on(bucket: Attempt) -> bool:
    """Whether single operations tell anything new when the bucket as a whole gave this answer."""
    if bucket.outcome != "failed":
        return True
    # Not to be allowed to ask for the bucket itself says little about its objects.
    return isinstance(bucket.error, PermissionDenied) and not wrong_keys(bucket.error)


def credentials_of(backend: Backend) -> str:
    """Where the credentials come from, in words; empty when the backend does not tell. No secret in it."""
    found = next((part for name in _HOLDERS if (part := getattr(backend, name, None)) is not None), None)
    if found is None:
        return _VARIABLES.get(backend.id, "")
    if not callable(found):
        return str(getattr(found, "source", "") or "")
    try:
        return described(found())
    except CloudberthError as error:
        return f"none: {error.what}"
    except Exception as error:
        # Whatever a vendor's chain of credentials throws: the bucket's own check says it in full.
        return f"none: {type(error).__name__}"


def described(found: object) -> str:
    """Keys in words: their source, which key it is, and until when it holds."""
    parts = [str(getattr(found, "source", "") or "")]
    access_key = str(getattr(found, "access_key", "") or "")
    if access_key:
        parts.append(f"key {shortened(access_key)}")
    if getattr(found, "token", None):
        parts.append("temporary")
    if expires := getattr(found, "expires", None):
        parts.append(f"until {datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M} UTC")
    return ", ".join(part for part in parts if part)


def shortened(access_key: str) -> str:
    """Enough of an access key to know which it is."""
    return f"{access_key[:4]}…{access_key[-2:]}" if len(access_key) > 8 else f"{access_key[:2]}…"


def _bucket(store: Storage, *, create: bool) -> Attempt:
    began = time.perf_counter()
    detail = ""
    try:
        try:
            store.backend.check_bucket()
        except NotFound:
            if not create:
                raise
            store.backend.create_bucket()
            store.backend.check_bucket()
            detail = "was created"
    except CloudberthError as error:
        return Attempt("bucket", "failed", time.perf_counter() - began, error=error)
    return Attempt("bucket", "ok", time.perf_counter() - began, detail)


def _probed(facts: Facts, store: Storage, notice: Notice) -> Facts:
    with probing(store, notice) as (probe, left):
        example = probe.listing()
        if any(wrong_keys(attempt.error) for attempt in probe.attempts):
            return replace(facts, attempts=tuple(probe.attempts))
        if facts.read_only:
            probe.reading(example)
            facts = replace(facts, exposed=probe.exposed(_key_of(example)))
        else:
            if probe.writing(example):
                facts = replace(facts, exposed=probe.exposed(probe.key("probe")), speed=probe.speed())
            else:
                facts = replace(facts, exposed=probe.exposed(_key_of(example)))
            probe.deleting()
        facts = _with_uploads(facts, store, notice)
        notice("settings of the bucket")
        facts = replace(facts, attempts=tuple(probe.attempts), settings=_settings(store))
    return replace(facts, left_behind=tuple(left))


def _key_of(example: ObjectInfo | None) -> str | None:
    return example.key if example else None


def _settings(store: Storage) -> BucketFacts:
    try:
        return store.backend.facts()
    except CloudberthError as error:
        return BucketFacts(unreadable={"settings": error.what})


def _with_uploads(facts: Facts, store: Storage, notice: Notice) -> Facts:
    if not facts.multipart:
        return facts
    notice("unfinished uploads")
    began = time.perf_counter()
    try:
        found = list(islice(store.backend.list_uploads(store.prefix), _UPLOADS_COUNTED))
    except CloudberthError as error:
        outcome = "absent" if isinstance(error, NotImplementedError) else "failed"
        return replace(facts, uploads=Attempt("uploads", outcome, error=error))  # type: ignore[arg-type]
    begun = [upload.started for upload in found if upload.started]
    return replace(
        facts,
        uploads=Attempt("uploads", "ok", time.perf_counter() - began),
        pending=len(found),
        oldest_upload=min(begun, default=None),
    )


def _servers(store: Storage, inner: Backend, recorder: Recorder, notice: Notice) -> tuple[ServerFacts, ...]:
    origins = list(recorder.origins)
    own = getattr(inner, "origin", None)
    if own is not None and own not in origins:
        origins.insert(0, own)
    notice("network")
    found = []
    for origin in origins:
        with suppress(CloudberthError):
            found.append(look_at(origin, store.options, proxy_of(inner, origin)))
    return tuple(found)
