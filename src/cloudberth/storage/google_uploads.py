"""Multipart uploads on Cloud Storage: parts are objects of their own, which `compose` puts together.

Why so: the JSON API has no parts; a resumable upload takes its bytes in order only, so that nothing goes in
parallel; the XML API has parts, as S3 does, but no emulator speaks it, and what is not proved is not claimed.
Composing copies nothing, and takes up to 32 objects at a time, in as many rounds as it needs.

The parts are at ``.cloudberth-uploads/<upload>/`` and are not listed otherwise; each has the key that it is
for in its metadata. They are of class STANDARD, which costs nothing extra when deleted early, and are
deleted when the object is whole. On a bucket with soft delete (the default of new ones: seven days) or with
versioning the deleted parts are kept, and paid for, that long: switch soft delete off where many large
objects are written. The credentials need storage.objects.delete. A composed object has a CRC32C and no MD5.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from cloudberth.errors import BackendError, NotFound
from cloudberth.storage import google_json
from cloudberth.storage.body import EMPTY, Body
from cloudberth.storage.contract import Attributes, Condition, Part, PendingUpload, Written
from cloudberth.storage.google_bucket import GoogleBucket, query_if
from cloudberth.storage.google_json import Json
from cloudberth.storage.http.backend import Flow, flow

RESERVED = ".cloudberth-uploads/"
_COMPONENT = re.compile(r"\.cloudberth-uploads/([0-9a-f]{24})/(start|[0-9]{5}|round-[0-9]+-[0-9]{5})\Z")
_START = "start"
_AT_ONCE = 32
_STANDARD = "STANDARD"


def is_hidden(name: str) -> bool:
    """Whether an object, or a folded prefix, is of an upload under way."""
    return name == RESERVED or bool(_COMPONENT.match(name) or re.fullmatch(RESERVED + "[0-9a-f]{24}/", name))


def folder_of(upload: str) -> str:
    """Where the parts of an upload are."""
    return f"{RESERVED}{upload}/"


class GoogleUploads(GoogleBucket):
    """What a backend does with parts."""

    @flow
    def start_upload(self, key: str, attributes: Attributes = Attributes()) -> Flow[str]:
        """The attributes go with the finish."""
        self.object_path(key)
        upload = f"{int(time.time()):08x}{secrets.token_hex(8)}"
        yield from self._component(key, upload, _START, EMPTY)
        return upload

    @flow
    def put_part(self, key: str, upload: str, number: int, body: Body) -> Flow[Part]:
        written = yield from self._component(key, upload, f"{number:05d}", body)
        return Part(number, written.etag or "", body.size)

    def _component(self, key: str, upload: str, name: str, body: Body) -> Flow[Written]:
        attributes = Attributes(metadata={"key": key}, storage_class=_STANDARD)
        return (yield from self.write(folder_of(upload) + name, body, attributes))

    @flow
    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = Attributes(),
        condition: Condition = Condition(),
    ) -> Flow[Written]:  # fmt: skip
        folder = folder_of(upload)
        items = {str(item["name"]): item for item in (yield from self._items(folder))}
        sources: list[Json] = []
        for part in sorted(parts, key=lambda part: part.number):
            name = f"{folder}{part.number:05d}"
            # The service would refuse another generation itself; fake-gcs-server puts together what it finds.
            if name not in items or str(items[name].get("generation")) != part.etag:
                raise NotFound(
                    f"part {part.number} of the multipart upload is not there as it was sent",
                    where=f"{self.place}/{key}",
                    hint="it was finished or aborted meanwhile",
                )
            sources.append({"name": name, "objectPreconditions": {"ifGenerationMatch": part.etag}})
        if sources:
            written = yield from self._compose(key, folder, sources, attributes, condition)
        elif items:
            written = yield from self.write(key, EMPTY, attributes, condition)
        else:
            raise NotFound("there is no such multipart upload", where=f"{self.place}/{key}")
        # The object is there: whatever goes wrong with its parts now is left to the clean-up.
        with suppress(BackendError):
            yield from self.abort_flow(upload)
        return written

    def _compose(
        self, key: str, folder: str, sources: list[Json], attributes: Attributes, condition: Condition
    ) -> Flow[Written]:
        """Fold the sources, 32 by 32, until one request can make the object of them."""
        turn = 0
        while len(sources) > _AT_ONCE:
            turn += 1
            folded: list[Json] = []
            for start in range(0, len(sources), _AT_ONCE):
                name = f"{folder}round-{turn}-{start // _AT_ONCE:05d}"
                body: Json = {
                    "sourceObjects": sources[start : start + _AT_ONCE],
                    "destination": {"storageClass": _STANDARD, "metadata": {"key": key}},
                }
                yield self.on_object("POST", name, "/compose", body=body)
                folded.append({"name": name})
            sources = folded
        # Without a type of its own the object would have that of its first part.
        destination = {"contentType": "application/octet-stream", **google_json.resource(attributes)}
        response = yield self.on_object(
            "POST", key, "/compose", *query_if(condition),
            body={"sourceObjects": sources, "destination": destination},
        )  # fmt: skip
        return google_json.written(google_json.document(response))

    @flow
    def abort_upload(self, key: str, upload: str) -> Flow[None]:
        yield from self.abort_flow(upload)

    def abort_flow(self, upload: str) -> Flow[None]:
        """Delete the parts; the start last, by which the upload can be found until then."""
        items = yield from self._items(folder_of(upload))
        names = [str(item["name"]) for item in items]
        names.sort(key=lambda name: name.endswith(f"/{_START}"))
        failures = yield from self.delete_all(names)
        for failure in failures:
            raise failure.error

    def _items(self, prefix: str) -> Flow[list[Json]]:
        found: list[Json] = []
        token = ""
        while True:
            query = [("prefix", prefix), ("fields", f"items({google_json.FIELDS}),nextPageToken")]
            response = yield self.on_bucket("GET", "/o", *query, *([("pageToken", token)] if token else []))
            page = google_json.document(response)
            found += page.get("items") or []
            token = str(page.get("nextPageToken") or "")
            if not token:
                return found

    def list_parts(self, key: str, upload: str) -> Iterator[Part]:
        folder = folder_of(upload)
        for item in self.run(self._items(folder)):
            name = str(item["name"]).removeprefix(folder)
            if name.isdecimal():
                info = google_json.info_of(item)
                yield Part(int(name), info.etag or "", info.size)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """Every upload that has left anything, its parts without a start too."""
        seen: set[str] = set()
        for item in self.run(self._items(RESERVED)):
            found = _COMPONENT.match(str(item["name"]))
            key = google_json.metadata_of(item).get("key", "")
            if found and found[1] not in seen and key.startswith(prefix):
                seen.add(found[1])
                yield PendingUpload(key, found[1], datetime.fromtimestamp(int(found[1][:8], 16), UTC))
