"""One bucket of Cloud Storage, as what every request to it shares: paths, credentials, errors, single
writes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from urllib.parse import unquote

from cloudberth.errors import BackendError, BucketNotFound, CorruptData, NotFound, Unsupported
from cloudberth.storage import google_json
from cloudberth.storage.body import Body, BytesBody
from cloudberth.storage.contract import (
    TIB,
    Attributes,
    Capabilities,
    Condition,
    DeleteFailure,
    StorageClass,
    Written,
)
from cloudberth.storage.google_credentials import GoogleIdentity
from cloudberth.storage.google_failures import failure_of, says_which
from cloudberth.storage.google_json import Json
from cloudberth.storage.google_wire import Batch, RelatedBody, batch_answers
from cloudberth.storage.http.backend import Flow, HttpBackend
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request, Response, encode

BATCH = 100  # requests that one batch takes
CAPABILITIES = Capabilities(
    max_put=5 * TIB,
    part_min=1,
    part_max=5 * TIB,
    max_parts=10_000,
    copy_max=5 * TIB,
    conditional=frozenset({"absent", "match"}),
    presign=frozenset({"GET", "PUT"}),
    classes={
        StorageClass.STANDARD: "STANDARD",
        StorageClass.INFREQUENT: "NEARLINE",
        StorageClass.COLD: "COLDLINE",
        StorageClass.ARCHIVE: "ARCHIVE",
    },
    checksum="crc32c",
)


class GoogleBucket(HttpBackend):
    """Base of the backend. identity: None sends no credentials (emulators, public buckets)."""

    id = "google-storage"

    def __init__(self, client: Client, origin: Origin, bucket: str, identity: GoogleIdentity | None) -> None:
        super().__init__(client)
        self.origin = origin
        self.bucket = bucket
        self.identity = identity
        self.place = f"gs://{bucket}"
        self.capabilities = CAPABILITIES
        self._of_bucket = f"/storage/v1/b/{encode(bucket)}"
        self._of_contents = f"/{encode(bucket)}/"
        self.reads_xml = True
        """Whether contents are read by the XML API, as production has it; emulators may not."""
        self._batches = True

    def object_path(self, key: str) -> str:
        """An object as a path. Raises Unsupported for the two keys that the service does not take."""
        if key in (".", ".."):
            raise Unsupported(
                f"no object of this service can be named {key!r}",
                where=f"{self.place}/{key}",
                hint="rename it",
            )
        return f"{self._of_bucket}/o/{encode(key)}"

    def authorize(self, request: Request) -> None:
        if self.identity is not None:
            self.identity.authorize(request)

    def failure(self, request: Request, response: Response) -> BackendError:
        _, _, rest = request.path.partition(f"{self._of_bucket}/o/")
        if request.path.startswith(self._of_contents):
            rest = request.path.removeprefix(self._of_contents)
        key = unquote(rest.partition("/")[0]) or dict(request.query).get("name", "")
        where = f"{self.place}/{key}" if key else self.place
        token = "authorization" in request.headers
        return failure_of(response, where=where, on_bucket=not rest, with_token=token)

    def on_bucket(
        self, method: str, path: str = "", *query: tuple[str, str], body: Json | None = None
    ) -> Request:
        """A request about the bucket."""
        return _with_json(Request(method, self.origin, f"{self._of_bucket}{path}", query), body)

    def on_object(
        self, method: str, key: str, path: str = "", *query: tuple[str, str], body: Json | None = None
    ) -> Request:
        """A request about an object. path: behind it (``/compose``)."""
        return _with_json(Request(method, self.origin, f"{self.object_path(key)}{path}", query), body)

    def write(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Flow[Written]:
        """Metadata and contents in one request. What the service says of the contents is compared with
        them.
        """
        self.object_path(key)
        metadata = {**google_json.resource(attributes)}
        digest = ""
        if (view := body.view) is not None:
            digest = base64.b64encode(hashlib.md5(view, usedforsecurity=False).digest()).decode()
            metadata["md5Hash"] = digest
        related = RelatedBody(metadata, body)
        query = (("uploadType", "multipart"), ("name", key), *query_if(condition))
        request = Request("POST", self.origin, f"/upload{self._of_bucket}/o", query, body=related)
        request.headers["content-type"] = related.content_type
        item = google_json.document((yield request))
        # fake-gcs-server takes any md5Hash.
        if digest and item.get("md5Hash") not in (None, digest):
            raise CorruptData("the service has something else than was sent", where=f"{self.place}/{key}")
        return google_json.written(item)

    def which_is_missing(self, error: NotFound) -> Flow[NotFound]:
        """The error for a 404: the object, or the bucket. One more request where the service does not say."""
        if isinstance(error, BucketNotFound) or says_which(error):
            return error
        try:
            yield self.on_bucket("GET", "/o", ("maxResults", "1"), ("fields", "kind"))
        except BucketNotFound as missing:
            return missing
        except BackendError:
            pass  # no permission to list: the object is what was asked for
        return error

    def delete_all(self, keys: Iterable[str]) -> Flow[list[DeleteFailure]]:
        """Delete in batches; one by one where there are none (fake-gcs-server refuses deletes in a batch)."""
        failures: list[DeleteFailure] = []
        waiting = list(keys)
        while waiting:
            some, waiting = waiting[:BATCH], waiting[BATCH:]
            if len(some) > 1 and self._batches:
                parts = tuple(self.on_object("DELETE", key) for key in some)
                answer = yield Batch("POST", self.origin, "/batch/storage/v1", parts=parts)
                answers = batch_answers(answer, len(some))
                if any(said is not None and said.status == 400 for said in answers):
                    self._batches = False
                    failures += yield from self._delete_each(some)
                else:
                    failures += yield from self._failed(some, parts, answers)
            else:
                failures += yield from self._delete_each(some)
        return failures

    def _failed(
        self, keys: list[str], parts: Iterable[Request], answers: Iterable[Response | None]
    ) -> Flow[list[DeleteFailure]]:
        failures: list[DeleteFailure] = []
        looked = False
        for key, part, answer in zip(keys, parts, answers, strict=True):
            if answer is None:
                said: BackendError = CorruptData("the batch says nothing of it", where=self.place)
            elif answer.status < 300:
                continue
            else:
                said = self.failure(part, answer)
            if not isinstance(said, NotFound):
                failures.append(DeleteFailure(key, said))
            elif not looked:
                looked = True
                yield from self._raise_for_bucket(said)
        return failures

    def _raise_for_bucket(self, error: NotFound) -> Flow[None]:
        """Raise when it is the bucket that is not there: an object that is not is deleted already."""
        missing = yield from self.which_is_missing(error)
        if isinstance(missing, BucketNotFound):
            raise missing from None

    def _delete_each(self, keys: list[str]) -> Flow[list[DeleteFailure]]:
        failures: list[DeleteFailure] = []
        looked = False
        for key in keys:
            try:
                yield self.on_object("DELETE", key)
            except NotFound as error:
                if not looked:
                    looked = True
                    yield from self._raise_for_bucket(error)
            except BackendError as error:
                if error.retryable:
                    raise
                failures.append(DeleteFailure(key, error))
        return failures


def query_if(condition: Condition) -> tuple[tuple[str, str], ...]:
    """A condition as query. The etag of this backend is the generation: see google_storage.py."""
    if condition.absent:
        return (("ifGenerationMatch", "0"),)
    return (("ifGenerationMatch", condition.match),) if condition.match is not None else ()


def _with_json(request: Request, body: Json | None) -> Request:
    if body is not None:
        request.headers["content-type"] = "application/json"
        request.body = BytesBody(json.dumps(body).encode())
    return request
