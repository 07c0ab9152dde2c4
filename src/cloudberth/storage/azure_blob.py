"""Azure Blob Storage: block blobs over the REST API, signed by ourselves.

Keys go as they are, with these limits of the service: a backslash is a slash to it, so a key with one is
refused rather than written under another name, as are control characters that no list can hold; dots at the
end of a segment are best avoided (tools of Microsoft cut them); slashes beside a segment ``.`` or ``..`` are
sent as ``%2F``, so that nothing on the way takes it for a step in a path (accepted by Azurite; not proved
live); the keys ``.`` and ``..`` are refused, because no slash is there to do that with. Names are compared as
the service does, case included.

A listing is in the order of the service ("alphabetical", upper case first) and sorted by bytes within a page.
Azurite compares UTF-16 units; the two differ only where a key with characters beyond U+FFFF meets one between
U+E000 and U+FFFF.

Conditions, metadata and content headers are the service's own; how metadata is written: azure_metadata.py;
multipart uploads: azure_blocks.py; who we are: azure_credentials.py. Blobs are written as block blobs only.
Proved against Azurite with shared keys, SAS, and identities of Microsoft Entra over https.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from cloudberth.errors import (
    BackendError,
    CorruptData,
    InvalidInput,
    InvalidRange,
    Kind,
)
from cloudberth.storage import azure_metadata, azure_xml
from cloudberth.storage.azure_container import REFUSED, is_gone
from cloudberth.storage.azure_credentials import AccountKey, Identity, SasToken
from cloudberth.storage.azure_facts import facts_of
from cloudberth.storage.azure_settings import REQUEST_VERSION, AzureSettings, account_of, is_here
from cloudberth.storage.azure_uploads import AzureUploads
from cloudberth.storage.azure_wire import (
    ANSWER,
    CONTENT,
    Batch,
    headers_if,
    headers_of,
    info_of,
    md5_of,
    written,
)
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
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Request, encode_query
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings
from cloudberth.storage.signing.azure_shared_key import SharedKey

BATCH = 256  # operations that one batch request takes
PAGE = 5000  # entries that one page of a list has at most


class AzureBlob(AzureUploads, OpenableBackend):
    """One container."""

    settings: ClassVar[type[Settings]] = AzureSettings

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:
        assert isinstance(settings, AzureSettings)
        account = account_of(settings)
        identity: Identity | None = None
        if account.key:
            identity = AccountKey(SharedKey.parse(account.name, account.key))
        elif account.sas:
            identity = SasToken(account.sas)
        elif account.origin.scheme != "https" and not is_here(account.origin.host):
            raise InvalidInput(
                "a token would go over the network in the clear",
                where="AZURE_BLOB_ACCOUNT_URL",
                hint="use https",
            )
        container = cls(Client(options), account, settings.bucket, identity, settings.version)
        if options.token_cache is not None:
            container.keep_tokens_in(options.token_cache)
        return container

    # -- objects ---------------------------------------------------------------------------------------------

    @flow
    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Flow[Written]:
        request = self._on_blob("PUT", key)
        request.headers = {"x-ms-blob-type": "BlockBlob", **headers_of(attributes), **headers_if(condition)}
        request.body = body
        if (view := body.view) is not None:
            request.headers["content-md5"] = md5_of(view)
        response = yield request
        return written(response)

    @flow
    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Flow[Opened]:
        request = self._on_blob("GET", key)
        request.stream = True
        if span is not None:
            end = "" if span.length is None else str(span.start + span.length - 1)
            request.headers["range"] = f"bytes={span.start}-{end}"
        if match is not None:
            request.headers["if-match"] = f'"{match}"'
        response = yield request
        info = info_of(key, response)
        if span is not None and span.start >= info.size:
            # Azurite answers with no bytes where the service answers 416.
            response.reader.close()
            raise InvalidRange(f"it has {info.size} bytes only", where=f"{self.place}/{key}")
        return Opened(info, response.reader)

    @flow
    def head(self, key: str) -> Flow[ObjectInfo]:
        response = yield self._on_blob("HEAD", key)
        return info_of(key, response)

    @flow
    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Flow[Page]:  # fmt: skip
        query = [("comp", "list"), ("prefix", prefix), ("delimiter", delimiter), *self._start(after)]
        query = [pair for pair in query if pair[1]] + [("maxresults", str(min(limit, PAGE)))]
        start = after.encode()
        while True:
            marker = [("marker", cursor)] if cursor else []
            response = yield self._on_container("GET", *query, *marker)
            page = azure_xml.blob_list(response.body)
            entries: list[ObjectInfo | Prefix] = []
            for entry in page.entries:
                if isinstance(entry, Prefix) and after.startswith(entry.key):
                    if (yield from self._goes_on(entry.key, after)):
                        entries.append(entry)
                # Servers older than startFrom begin at the beginning, and startFrom itself names the first.
                elif entry.key.encode() > start:
                    entries.append(entry)
            if entries or not page.next:
                return Page(tuple(entries), page.next)
            cursor = page.next

    def _start(self, after: str) -> tuple[tuple[str, str], ...]:
        """Where a list begins; older versions begin at the beginning, and what is not wanted is skipped."""
        return (("startFrom", after),) if self.version >= REQUEST_VERSION else ()

    def _goes_on(self, prefix: str, after: str) -> Flow[bool]:
        """Whether there is a key with this prefix behind another one with the same."""
        query = [("comp", "list"), ("prefix", prefix), *self._start(after), ("maxresults", str(PAGE))]
        cursor: str | None = ""
        while cursor is not None:
            marker = [("marker", cursor)] if cursor else []
            page = azure_xml.blob_list((yield self._on_container("GET", *query, *marker)).body)
            if any(entry.key.encode() > after.encode() for entry in page.entries):
                return True
            cursor = page.next
        return False

    @flow
    def delete(self, keys: Sequence[str]) -> Flow[Sequence[DeleteFailure]]:
        failures: list[DeleteFailure] = []
        possible: list[str] = []
        for key in keys:
            # What is refused as a key cannot be there, and so is deleted already.
            if not REFUSED.search(key) and key not in (".", ".."):
                possible.append(key)
        for start in range(0, len(possible), BATCH):
            some = possible[start : start + BATCH]
            if len(some) > 1:
                try:
                    failures += yield from self._delete_batch(some)
                    continue
                except BackendError as error:
                    # Some SAS, and services that only look like Azure, have no batches.
                    if error.retryable or error.kind not in (Kind.PERMISSION, Kind.INVALID, Kind.UNSUPPORTED):
                        raise
            failures += yield from self._delete_each(some)
        return failures

    def _delete_batch(self, keys: Sequence[str]) -> Flow[builtins.list[DeleteFailure]]:
        parts = tuple(self._deletion(key) for key in keys)
        query = (("restype", "container"), ("comp", "batch"))
        response = yield Batch("POST", self.account.origin, self._root, query, parts=parts)
        failures: list[DeleteFailure] = []
        for key, part, answer in zip(keys, parts, azure_xml.batch_answers(response, len(keys)), strict=True):
            if answer is None:
                failures.append(
                    DeleteFailure(key, CorruptData("the batch says nothing of it", where=self.place))
                )
            elif answer.status >= 300 and not is_gone(error := self.failure(part, answer)):
                failures.append(DeleteFailure(key, error))
        return failures

    def _delete_each(self, keys: Sequence[str]) -> Flow[builtins.list[DeleteFailure]]:
        failures: list[DeleteFailure] = []
        for key in keys:
            try:
                yield self._deletion(key)
            except BackendError as error:
                if error.retryable or (error.kind is Kind.NOT_FOUND and not is_gone(error)):
                    raise
                if not is_gone(error):
                    failures.append(DeleteFailure(key, error))
        return failures

    def _deletion(self, key: str) -> Request:
        request = self._on_blob("DELETE", key)
        request.headers["x-ms-delete-snapshots"] = "include"
        return request

    # -- copies ----------------------------------------------------------------------------------------------

    @flow
    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Flow[Written]:
        """Copy Blob inside the account: done with the answer, as a rule, however large the object is."""
        url = self._source_url(source, self.identity.own_query)
        return (yield from self._copy(url, key, attributes))

    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Written:
        """From another container; one of another account is read through a SAS of a day, made by `other`."""
        if not isinstance(other, AzureBlob):
            raise self.unsupported(f"copy on the server from {other.place}")
        if other.account.name == self.account.name and other.account.origin == self.account.origin:
            query = other.identity.own_query
        else:
            https_only = other.account.origin.scheme == "https"
            query = other.identity.source_query(f"{other.container}/{source}", https_only)
        return self.run(self._copy(other._source_url(source, query), key, attributes))

    def _source_url(self, key: str, query: tuple[tuple[str, str], ...]) -> str:
        url = f"{self.account.origin}{self.path(key)}"
        return f"{url}?{encode_query(query)}" if query else url

    def _copy(self, url: str, key: str, attributes: Attributes | None) -> Flow[Written]:
        request = self._on_blob("PUT", key)
        request.headers = {"x-ms-copy-source": url}
        if attributes is not None:
            request.headers |= azure_metadata.to_headers(attributes.metadata)
            if attributes.storage_class:
                request.headers["x-ms-access-tier"] = attributes.storage_class
        response = yield request
        status, copied, pause = response.header("x-ms-copy-status"), response, 0.1
        while status == "pending":
            time.sleep(pause)  # rare inside an account: the service is done when it answers
            pause = min(pause * 2, 10.0)
            copied = yield self._on_blob("HEAD", key)
            status = copied.header("x-ms-copy-status")
        if status not in ("success", ""):
            said = copied.header("x-ms-copy-status-description")
            raise BackendError(
                f"the copy has {status}: {said}",
                kind=Kind.UNEXPECTED,
                where=f"{self.place}/{key}",
                retryable=True,
            )
        if attributes is None:
            return written(copied)
        return (yield from self._set_attributes(key, attributes))

    def _set_attributes(self, key: str, attributes: Attributes) -> Flow[Written]:
        """A copy keeps the content headers of its source, and its metadata when none is given: set them
        after.
        """
        copied = yield self._on_blob("HEAD", key)
        request = self._on_blob("PUT", key, ("comp", "properties"))
        request.headers = {
            name: value for name, value in headers_of(attributes).items() if name in CONTENT.values()
        }
        # Whatever is not named here is cleared, the checksum too.
        if checksum := copied.header("content-md5"):
            request.headers["x-ms-blob-content-md5"] = checksum
        request.headers["if-match"] = copied.header("etag")
        response = yield request
        if not attributes.metadata:
            request = self._on_blob("PUT", key, ("comp", "metadata"))
            request.headers["if-match"] = response.header("etag")
            response = yield request
        etag = response.header("etag").strip('"') or None
        return Written(etag, azure_xml.md5(copied.header("content-md5")))

    # -- the rest --------------------------------------------------------------------------------------------

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = Attributes()
    ) -> SignedRequest:
        """A service SAS, or with an identity a user delegation SAS: that one asks once a day for a key."""
        path = self.path(key)
        answer: dict[str, str] = {}
        headers: dict[str, str] = {}
        if method == "PUT":
            headers = {"x-ms-blob-type": "BlockBlob", **headers_of(attributes)}
        else:
            pairs = ((short, getattr(attributes, name)) for name, short in ANSWER.items())
            answer = {short: value for short, value in pairs if value}
        permissions = "cw" if method == "PUT" else "r"
        https_only = self.account.origin.scheme == "https"
        query = self.identity.blob_sas(f"{self.container}/{key}", permissions, seconds, https_only, answer)
        return SignedRequest(method, f"{self.account.origin}{path}?{encode_query(query)}", headers)

    @flow
    def check_bucket(self) -> Flow[None]:
        """Lists one key: what a SAS of the container may do as well, which cannot read its properties."""
        yield self._on_container("GET", ("comp", "list"), ("maxresults", "1"))

    @flow
    def create_bucket(self) -> Flow[None]:
        """Private: anonymous access is something that would have to be asked for."""
        try:
            yield self._on_container("PUT")
        except BackendError as error:
            if error.code != "ContainerAlreadyExists":
                raise

    def facts(self) -> BucketFacts:
        service = (("restype", "service"), ("comp", "properties"))
        return facts_of(
            lambda: self.run(self._ask(self._on_container("GET"))),
            lambda: self.run(
                self._ask(Request("GET", self.account.origin, f"{self.account.base}/", service))
            ),
        )
