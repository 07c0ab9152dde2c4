"""What doctor reads of a container and its account."""

from __future__ import annotations

from collections.abc import Callable

from cloudberth.errors import BackendError
from cloudberth.storage import azure_xml
from cloudberth.storage.contract import BucketFacts
from cloudberth.storage.http.message import Response


def facts_of(container: Callable[[], Response], service: Callable[[], Response]) -> BucketFacts:
    """Facts from the answers of Get Container Properties and Get Blob Service Properties.

    Versioning, region and lifecycle rules are things of the resource manager, which a data identity cannot
    ask.
    """
    unreadable: dict[str, str] = {}
    public: bool | None = None
    encryption = lifecycle = cors = None
    try:
        answer = container()
        public = bool(answer.header("x-ms-blob-public-access"))
        scope = answer.header("x-ms-default-encryption-scope")
        encryption = f"by the service, scope {scope}" if scope else "by the service"
    except BackendError as error:
        unreadable["container"] = error.what
    try:
        root = azure_xml.parsed(service().body)
        cors = f"{len(root.findall('Cors/CorsRule'))} rules"
        if root.findtext("DeleteRetentionPolicy/Enabled") == "true":
            lifecycle = f"deleted blobs are kept {root.findtext('DeleteRetentionPolicy/Days')} days"
    except BackendError as error:
        unreadable["service properties"] = error.what
    return BucketFacts(
        public=public, encryption=encryption, lifecycle=lifecycle, cors=cors, unreadable=unreadable
    )
