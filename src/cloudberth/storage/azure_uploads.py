"""Multipart uploads on Azure, which has blocks and no uploads; how they are told apart: azure_blocks.py."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence

from cloudberth.errors import (
    NotFound,
)
from cloudberth.storage import azure_blocks as blocks
from cloudberth.storage import azure_xml
from cloudberth.storage.azure_container import AzureContainer, is_gone
from cloudberth.storage.azure_wire import (
    headers_if,
    headers_of,
    md5_of,
)
from cloudberth.storage.body import Body, BytesBody
from cloudberth.storage.contract import (
    Attributes,
    Condition,
    ObjectInfo,
    Part,
    PendingUpload,
    Written,
)
from cloudberth.storage.http.backend import Flow, flow


class AzureUploads(AzureContainer):
    """What a backend does with parts."""

    # -- multipart -------------------------------------------------------------------------------------------

    def start_upload(self, key: str, attributes: Attributes = Attributes()) -> str:
        """Makes no request: Azure knows blocks only. The attributes go with the finish."""
        self.path(key)
        return blocks.new_upload(time.time())

    @flow
    def put_part(self, key: str, upload: str, number: int, body: Body) -> Flow[Part]:
        return (yield from self._put_block(key, upload, number, body))

    def _put_block(self, key: str, upload: str, number: int, body: Body) -> Flow[Part]:
        name = blocks.block_name(upload, number)
        encoded = base64.b64encode(name.encode()).decode()
        request = self._on_blob("PUT", key, ("comp", "block"), ("blockid", encoded))
        request.body = body
        if (view := body.view) is not None:
            request.headers["content-md5"] = md5_of(view)
        yield request
        return Part(number, name, body.size)

    def _blocks(self, key: str) -> Flow[dict[str, dict[int, int]]]:
        """Sizes of the parts beside a key, by upload and number."""
        try:
            query = ("comp", "blocklist"), ("blocklisttype", "uncommitted")
            response = yield self._on_blob("GET", key, *query)
        except NotFound as error:
            if not is_gone(error):
                raise
            return {}
        return blocks.blocks_by_upload(azure_xml.blocks_of(response.body, "Uncommitted"))

    @flow
    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = Attributes(),
        condition: Condition = Condition(),
    ) -> Flow[Written]:  # fmt: skip
        """Put Block List. It throws away all other blocks beside the key: of two uploads at once one is lost.

        The parts are looked at first: after an abort there are blocks of the same names with one byte each.
        An upload that was finished already, and whose answer was lost, is no failure.
        """
        names = [
            blocks.block_name(upload, part.number) for part in sorted(parts, key=lambda part: part.number)
        ]
        try:
            self._check_parts(key, upload, parts, (yield from self._blocks(key)).get(upload, {}))
            request = self._on_blob("PUT", key, ("comp", "blocklist"))
            request.headers = {**headers_of(attributes), **headers_if(condition)}
            request.body = BytesBody(azure_xml.block_list(names))
            response = yield request
        except NotFound as error:
            if not is_gone(error) or (finished := (yield from self._finished(key, names))) is None:
                raise
            return finished
        return Written(response.header("etag").strip('"') or None)

    def _check_parts(self, key: str, upload: str, parts: Sequence[Part], found: dict[int, int]) -> None:
        where = f"{self.place}/{key}"
        if blocks.TOMBSTONE in found or (not found and parts):
            raise NotFound(f"there is no multipart upload {upload} (finished or aborted)", where=where)
        for part in parts:
            if found.get(part.number) != part.size:
                raise NotFound(f"part {part.number} is not there as it was sent", where=where)

    def _finished(self, key: str, names: Sequence[str]) -> Flow[Written | None]:
        """The object, when it is made of exactly these blocks."""
        try:
            query = ("comp", "blocklist"), ("blocklisttype", "committed")
            response = yield self._on_blob("GET", key, *query)
        except NotFound:
            return None
        made = [block.name for block in azure_xml.blocks_of(response.body, "Committed")]
        return Written(response.header("etag").strip('"') or None) if names and made == list(names) else None

    @flow
    def abort_upload(self, key: str, upload: str) -> Flow[None]:
        """Write one byte over every part and leave a tombstone; the service forgets them within a week."""
        found = (yield from self._blocks(key)).get(upload, {})
        if not found or blocks.TOMBSTONE in found:
            return
        for number in (blocks.TOMBSTONE, *(number for number, size in found.items() if size > 1)):
            yield from self._put_block(key, upload, number, BytesBody(b"\0"))

    def list_parts(self, key: str, upload: str) -> Iterator[Part]:
        found = self.run(self._blocks(key)).get(upload, {})
        if blocks.TOMBSTONE not in found:
            for number, size in sorted(found.items()):
                yield Part(number, blocks.block_name(upload, number), size)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """Uploads of ours beside keys that have no object yet, or an empty one.

        Azure tells of no others: parts beside an object that has content are found by asking for that key
        (`list_parts`), which would be a request for each object of the container.
        """
        cursor: str | None = None
        while True:
            page = self.run(self._uncommitted(prefix, cursor))
            empty = [entry.key for entry in page.entries if isinstance(entry, ObjectInfo) and not entry.size]
            for key in sorted({*page.uncommitted, *empty}, key=str.encode):
                for upload, found in sorted(self.run(self._blocks(key)).items()):
                    if blocks.TOMBSTONE not in found:
                        yield PendingUpload(key, upload, blocks.started(upload))
            if not page.next:
                return
            cursor = page.next

    def _uncommitted(self, prefix: str, cursor: str | None) -> Flow[azure_xml.BlobList]:
        query = [
            ("comp", "list"),
            ("include", "uncommittedblobs"),
            ("prefix", prefix),
            ("marker", cursor or ""),
        ]
        response = yield self._on_container("GET", *(pair for pair in query if pair[1]))
        return azure_xml.blob_list(response.body)
