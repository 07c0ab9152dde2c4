"""Google Cloud Storage over the JSON API; contents are read over the XML API.

Keys stand percent-encoded as one segment of a path, so they go as they are; ``.`` and ``..`` are no names
there. The etag of an object is its *generation*: that is what Google documents for conditions
(``ifGenerationMatch``), and it changes with the contents only. Contents come as they are stored: with
``Accept-Encoding: gzip`` the service does not unpack what has Content-Encoding gzip. They are read over the
XML API, as Google's client for Go does, because there the answer has user metadata and the time of the
object as well, which that of the JSON API lacks; emulators (STORAGE_EMULATOR_HOST) are asked over the JSON
API, which all of them have. Multipart uploads: google_uploads.py.

Permissions: roles/storage.objectUser on the bucket is enough. storage.buckets.get, which other clients ask of
everybody, is needed by nothing but `facts`.

Proved against fake-gcs-server, which checks no credentials; tokens, and signed URLs, against what
google-auth and google-cloud-storage make of the same keys.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, Self

from cloudberth.errors import BackendError, Kind, NotFound, PermissionDenied, PreconditionFailed
from cloudberth.storage import google_json
from cloudberth.storage.body import Body
from cloudberth.storage.contract import (
    Attributes,
    Backend,
    BucketFacts,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    Prefix,
    SignedRequest,
    Span,
    Written,
)
from cloudberth.storage.google_bucket import CAPABILITIES
from cloudberth.storage.google_credentials import GoogleIdentity
from cloudberth.storage.google_facts import facts_of
from cloudberth.storage.google_json import Json
from cloudberth.storage.google_settings import GoogleSettings
from cloudberth.storage.google_uploads import GoogleUploads, is_hidden
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import unexpected
from cloudberth.storage.http.headers import encode_value
from cloudberth.storage.http.message import Origin, Request, Response, encode, encode_key
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings
from cloudberth.storage.signing import google_v4

# Of a signed URL: what its answer says instead of what is stored.
_ANSWER = {"content_disposition": "response-content-disposition", "content_type": "response-content-type"}
_WRITE = {
    "content_type": "content-type",
    "cache_control": "cache-control",
    "content_disposition": "content-disposition",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
    "storage_class": "x-goog-storage-class",
}


class GoogleStorage(GoogleUploads, OpenableBackend):
    """One bucket. project, location: of the bucket, when it is created."""

    settings: ClassVar[type[Settings]] = GoogleSettings

    def __init__(
        self, client: Client, origin: Origin, bucket: str, identity: GoogleIdentity | None,
        *, project: str = "", location: str = "",
    ) -> None:  # fmt: skip
        super().__init__(client, origin, bucket, identity)
        self.project = project
        self.location = location
        self.signs = identity
        """Who signs URLs: of an emulator too, when a key is there."""

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:
        assert isinstance(settings, GoogleSettings)
        account = settings.account()
        client = Client(options)
        identity = GoogleIdentity(account, lambda request: backend.exchange(replace(request, signed=False)))
        backend = cls(
            client, settings.origin, settings.bucket, None if settings.emulator else identity,
            project=settings.project or str((account or {}).get("project_id", "")),
            location=settings.location or "",
        )  # fmt: skip
        backend.signs = identity
        backend.reads_xml = not settings.emulator
        if settings.emulator and account is None:
            backend.signs = None
            backend.capabilities = replace(CAPABILITIES, presign=frozenset())
        return backend

    # -- objects ---------------------------------------------------------------------------------------------

    @flow
    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Flow[Written]:
        return (yield from self.write(key, body, attributes, condition))

    @flow
    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Flow[Opened]:
        request = self._contents(key, match)
        request.stream = True
        request.headers["accept-encoding"] = "gzip"
        if span is not None:
            end = "" if span.length is None else str(span.start + span.length - 1)
            request.headers["range"] = f"bytes={span.start}-{end}"
        try:
            response = yield request
        except NotFound as error:
            raise (yield from self.which_is_missing(error)) from None
        generation = response.header("x-goog-generation")
        if match is not None and generation not in ("", match):
            # fake-gcs-server does not look at the condition of a read.
            response.reader.close()
            raise PreconditionFailed("it has changed meanwhile", where=f"{self.place}/{key}")
        metadata: Mapping[str, str] | None = (
            google_json.metadata_of_headers(response) if self.reads_xml else None
        )
        if metadata is None:
            metadata = google_json.MetadataOnDemand(lambda: self.run(self._metadata(key, generation)))
        return Opened(google_json.info_of_headers(key, response, metadata), response.reader)

    def _contents(self, key: str, match: str | None) -> Request:
        """A read of contents: by the XML API, the only one that tells user metadata and time along with
        them.
        """
        path = self.object_path(key)
        if self.reads_xml:
            request = Request("GET", self.origin, f"/{encode(self.bucket)}/{encode(key)}")
            if match is not None:
                request.headers["x-goog-if-generation-match"] = match
            return request
        query = [("alt", "media"), *([("ifGenerationMatch", match)] if match is not None else [])]
        return Request("GET", self.origin, f"/download{path}", tuple(query))

    def _metadata(self, key: str, generation: str) -> Flow[Mapping[str, str]]:
        query = [("fields", "metadata"), *([("generation", generation)] if generation else [])]
        return google_json.metadata_of(google_json.document((yield self.on_object("GET", key, "", *query))))

    @flow
    def head(self, key: str) -> Flow[ObjectInfo]:
        try:
            response = yield self.on_object("GET", key, "", ("fields", google_json.FIELDS))
        except NotFound as error:
            raise (yield from self.which_is_missing(error)) from None
        return google_json.info_of({"name": key, **google_json.document(response)})

    @flow
    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Flow[Page]:  # fmt: skip
        query = [("prefix", prefix), ("delimiter", delimiter), ("startOffset", after)]
        query = [pair for pair in query if pair[1]] + [
            ("maxResults", str(min(limit, 1000))),
            ("fields", f"items({google_json.FIELDS}),prefixes,nextPageToken"),
        ]
        while True:
            token = [("pageToken", cursor)] if cursor else []
            page = google_json.document((yield self.on_bucket("GET", "/o", *query, *token)))
            entries: list[ObjectInfo | Prefix] = []
            for entry in _entries(page):
                if isinstance(entry, Prefix) and after.startswith(entry.key):
                    if (yield from self._goes_on(entry.key, after)):
                        entries.append(entry)
                elif (
                    entry.key.encode() > after.encode()
                ):  # startOffset names the first key, not one before it
                    entries.append(entry)
            cursor = str(page.get("nextPageToken") or "") or None
            if entries or cursor is None:
                return Page(tuple(entries), cursor)

    def _goes_on(self, prefix: str, after: str) -> Flow[bool]:
        """Whether there is a key with this prefix behind another one with the same."""
        query = [("prefix", prefix), ("startOffset", after), ("fields", "items(name),nextPageToken")]
        token = ""
        while True:
            more = [("pageToken", token)] if token else []
            page = google_json.document((yield self.on_bucket("GET", "/o", *query, *more)))
            names = (str(item.get("name")) for item in page.get("items") or [])
            if any(name.encode() > after.encode() and not is_hidden(name) for name in names):
                return True
            token = str(page.get("nextPageToken") or "")
            if not token:
                return False

    @flow
    def delete(self, keys: Sequence[str]) -> Flow[Sequence[DeleteFailure]]:
        return (yield from self.delete_all(key for key in keys if key not in (".", "..")))

    # -- copies ----------------------------------------------------------------------------------------------

    @flow
    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Flow[Written]:
        return (yield from self._copy(self, source, key, attributes))

    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Written:
        """From another bucket, which the credentials of this one have to be allowed to read."""
        if not isinstance(other, GoogleStorage) or other.origin != self.origin:
            raise self.unsupported(f"copy on the server from {other.place}")
        return self.run(self._copy(other, source, key, attributes))

    def _copy(
        self, other: GoogleStorage, source: str, key: str, attributes: Attributes | None
    ) -> Flow[Written]:
        """Rewrite: a call moves what it can in half a minute, and the token it gives goes on from there."""
        path = f"{other.object_path(source)}/rewriteTo{self.object_path(key).removeprefix('/storage/v1')}"
        body = None if attributes is None else google_json.resource(attributes)
        token = ""
        while True:
            request = self.on_bucket("POST", body=body)
            request.path = path
            request.query = (("rewriteToken", token),) if token else ()
            try:
                answer = google_json.document((yield request))
            except NotFound as error:
                raise (yield from other.which_is_missing(error)) from None
            if answer.get("done"):
                return google_json.written(answer.get("resource") or {})
            token = str(answer.get("rewriteToken") or "")
            if not token:
                raise unexpected("the copy is neither done nor goes on", where=f"{self.place}/{key}")

    # -- the rest --------------------------------------------------------------------------------------------

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = Attributes()
    ) -> SignedRequest:
        """A V4 URL, signed by the key of the service account; by IAM (one request) when there is no key
        here.
        """
        self.object_path(key)
        if self.signs is None:
            raise self.unsupported("signed URLs without a service account")
        email, sign = self.signs.signer()
        names = _WRITE if method == "PUT" else _ANSWER
        values = {name: value for field, name in names.items() if (value := getattr(attributes, field))}
        headers: dict[str, str] = values if method == "PUT" else {}
        if method == "PUT":
            headers |= {
                f"x-goog-meta-{name.lower()}": encode_value(value)
                for name, value in attributes.metadata.items()
            }
        url = google_v4.presign(
            method, self.origin, f"/{encode(self.bucket)}/{encode_key(key)}", headers,
            values if method == "GET" else {}, email=email, sign=sign, seconds=seconds, now=time.time(),
        )  # fmt: skip
        return SignedRequest(method, url, headers)

    @flow
    def check_bucket(self) -> Flow[None]:
        """Lists one key, which needs no permission on the bucket itself."""
        yield self.on_bucket("GET", "/o", ("maxResults", "1"), ("fields", "kind"))

    @flow
    def create_bucket(self) -> Flow[None]:
        """Private for good: public access is prevented, and there are no lists of access for single
        objects.
        """
        body: Json = {
            "name": self.bucket,
            "iamConfiguration": {
                "publicAccessPrevention": "enforced",
                "uniformBucketLevelAccess": {"enabled": True},
            },
        }
        if self.location:
            body["location"] = self.location
        request = self.on_bucket("POST", body=body)
        request.path = "/storage/v1/b"
        request.query = (("project", self.project),)
        try:
            yield request
        except PreconditionFailed as error:
            try:
                yield self.on_bucket("GET", "/o", ("maxResults", "1"), ("fields", "kind"))
            except PermissionDenied:
                raise BackendError(
                    f"the name {self.bucket} is taken by somebody else",
                    kind=Kind.CONFLICT,
                    where=self.place,
                    hint="bucket names are shared by all of Google Cloud: choose another one",
                ) from error

    def facts(self) -> BucketFacts:
        return facts_of(lambda path: self.run(self._ask(path)))

    def _ask(self, path: str) -> Flow[Response]:
        return (yield self.on_bucket("GET", path))


def _entries(page: Json) -> list[ObjectInfo | Prefix]:
    """What a page has, in the order of the bytes; parts of uploads under way are no objects."""
    found: list[ObjectInfo | Prefix] = [
        google_json.info_of(item) for item in page.get("items") or [] if not is_hidden(str(item.get("name")))
    ]
    found += (Prefix(str(name)) for name in page.get("prefixes") or [] if not is_hidden(str(name)))
    found.sort(key=lambda entry: entry.key.encode())
    return found
