"""What doctor reads of a bucket of Cloud Storage."""

from __future__ import annotations

from collections.abc import Callable

from cloudberth.errors import BackendError
from cloudberth.storage import google_json
from cloudberth.storage.contract import BucketFacts
from cloudberth.storage.google_json import Json
from cloudberth.storage.http.message import Response

_EVERYBODY = {"allUsers", "allAuthenticatedUsers"}


def facts_of(ask: Callable[[str], Response]) -> BucketFacts:
    """Facts from the bucket, and from its IAM policy where public access is not ruled out anyway.

    ask: GET of a path behind the bucket. Needs storage.buckets.get and storage.buckets.getIamPolicy.
    """
    try:
        bucket = google_json.document(ask(""))
    except BackendError as error:
        return BucketFacts(unreadable={"bucket": error.what})
    unreadable: dict[str, str] = {}
    prevented = (bucket.get("iamConfiguration") or {}).get("publicAccessPrevention") == "enforced"
    public: bool | None = False
    if not prevented:
        try:
            public = _names_everybody(google_json.document(ask("/iam")))
        except BackendError as error:
            public = None
            unreadable["IAM policy"] = error.what
    key = (bucket.get("encryption") or {}).get("defaultKmsKeyName")
    rules = (bucket.get("lifecycle") or {}).get("rule") or []
    return BucketFacts(
        region=str(bucket["location"]).lower() if bucket.get("location") else None,
        public=public,
        versioning=bool((bucket.get("versioning") or {}).get("enabled")),
        encryption=f"with the key {key}" if key else "by the service",
        lifecycle=f"{len(rules)} rules",
        cors=f"{len(bucket.get('cors') or [])} rules",
        unreadable=unreadable,
    )


def _names_everybody(policy: Json) -> bool:
    return any(
        not _EVERYBODY.isdisjoint(binding.get("members") or []) for binding in policy.get("bindings") or []
    )
