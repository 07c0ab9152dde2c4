"""Tablestore in memory, over its own protocol: signed requests, protocol buffers, rows in PlainBuffer.

The vendor's library accepts it (tests/vector/http_stores/test_vector_tablestore_library.py).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from vector_servers.tablestore_index import Refused, SearchIndex

from cloudberth.vector._tablestore_calls import signature, signed_headers
from cloudberth.vector._tablestore_messages import Message, decode, encode
from cloudberth.vector._tablestore_rows import Bound, Row, Value, read, row, rows
from doubles.server import Request, Response

KEY_ID, KEY_SECRET, INSTANCE = "key-of-tests", "of-tests-no-secret", "dify"
_CONSUMED = {"capacity_unit": {"read": 0, "write": 1}}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_NO_COLUMNS = 3
_INDEX_ONLY = 4


@dataclass
class Table:
    """meta: as it was asked for. rows: columns by the first column of the key."""

    meta: Message
    options: Message
    made: float = field(default_factory=time.monotonic)
    rows: dict[str, dict[str, Value]] = field(default_factory=dict)
    indexes: dict[str, SearchIndex] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return str(self.meta["primary_key"][0]["name"])


@dataclass
class TablestoreDouble:
    """delay: seconds until an index shows what was written. unready: seconds that a new table takes nothing.

    refusals: what the next requests of an operation are answered with. unread: errors of single rows in the
    next readings. spoiled: answers change on their way. partial: a part of each index does not answer.
    requests: operation and message.
    """

    port: int = 0
    delay: float = 0.0
    unready: float = 0.0
    tables: dict[str, Table] = field(default_factory=dict)
    refusals: dict[str, list[Refused]] = field(default_factory=dict)
    unread: list[Message] = field(default_factory=list)
    requests: list[tuple[str, Message]] = field(default_factory=list)
    spoiled: bool = False
    partial: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, request: Request) -> Response:
        status = 200
        try:
            _check(request)
            body = self.answer(request.path.strip("/"), request.body)
        except Refused as error:
            status, body = error.status, encode("Error", {"code": error.code, "message": str(error)})
        headers = {
            "x-ots-contentmd5": _md5(body),
            "x-ots-contenttype": "protocol buffer",
            "x-ots-date": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "x-ots-requestid": str(uuid.uuid4()),
        }
        headers["authorization"] = f"OTS {KEY_ID}:{answer_signature(headers, request.raw_path)}"
        return Response(status, headers, body + b"\0" if self.spoiled else body)

    def answer(self, operation: str, data: bytes) -> bytes:
        handler = getattr(self, f"_{operation}", None)
        if handler is None:
            raise Refused("OTSUnsupportedOperation", f"Unsupported operation: '{operation}'.")
        asked = decode(f"{operation}Request", data)
        with self.lock:
            self.requests.append((operation, asked))
            if self.refusals.get(operation):
                raise self.refusals[operation].pop(0)
            return encode(f"{operation}Response", handler(asked) or {})

    # ── tables

    def _CreateTable(self, asked: Message) -> None:
        meta = asked["table_meta"]
        if not _NAME.fullmatch(meta["table_name"]):
            raise Refused("OTSParameterInvalid", f"Invalid table name: '{meta['table_name']}'.")
        if meta["table_name"] in self.tables:
            raise Refused("OTSObjectAlreadyExist", "Requested table already exists.", 409)
        if [one["type"] for one in meta["primary_key"]] != [2]:
            raise Refused("OTSParameterInvalid", "this double has keys of one text only")
        options = {"time_to_live": -1, "max_versions": 1, **asked.get("table_options", {})}
        self.tables[meta["table_name"]] = Table(meta, options)

    def _ListTable(self, asked: Message) -> Message:
        return {"table_names": sorted(self.tables)}

    def _DescribeTable(self, asked: Message) -> Message:
        found = self._table(asked["table_name"], ready=False)
        details = {"capacity_unit": {"read": 0, "write": 0}, "last_increase_time": int(time.time())}
        return {
            "table_meta": found.meta,
            "reserved_throughput_details": details,
            "table_options": found.options,
        }

    def _DeleteTable(self, asked: Message) -> None:
        found = self._table(asked["table_name"], ready=False)
        if found.indexes:
            raise Refused("OTSParameterInvalid", "the table has search indexes still")
        del self.tables[asked["table_name"]]

    def _table(self, name: str, *, ready: bool = True) -> Table:
        if name not in self.tables:
            raise Refused("OTSObjectNotExist", "Requested table does not exist.", 404)
        found = self.tables[name]
        if ready and time.monotonic() - found.made < self.unready:
            raise Refused("OTSTableNotReady", "The table is not ready.", 404)
        return found

    # ── search indexes

    def _CreateSearchIndex(self, asked: Message) -> None:
        found = self._table(asked["table_name"])
        if asked["index_name"] in found.indexes:
            raise Refused("OTSObjectAlreadyExist", "The search index exists already.", 409)
        index = SearchIndex(asked["schema"])
        index.changes += ((index.made, id, columns) for id, columns in found.rows.items())
        found.indexes[asked["index_name"]] = index

    def _ListSearchIndex(self, asked: Message) -> Message:
        wanted = asked.get("table_name")
        if wanted:
            self._table(wanted, ready=False)
        names = [(table, one) for table, found in self.tables.items() for one in found.indexes]
        chosen = [(table, one) for table, one in names if wanted in (None, "", table)]
        return {"indices": [{"table_name": table, "index_name": one} for table, one in chosen]}

    def _DescribeSearchIndex(self, asked: Message) -> Message:
        index = self._index(asked)
        phase = 2 if time.monotonic() - index.made >= self.unready else 1
        stat = {"sync_phase": phase, "current_sync_timestamp": time.time_ns()}
        return {"schema": index.schema, "sync_stat": stat, "time_to_live": -1}

    def _DeleteSearchIndex(self, asked: Message) -> None:
        self._index(asked)
        del self.tables[asked["table_name"]].indexes[asked["index_name"]]

    def _index(self, asked: Message) -> SearchIndex:
        found = self._table(asked["table_name"], ready=False).indexes.get(asked["index_name"])
        if found is None:
            raise Refused("OTSObjectNotExist", "The search index does not exist.", 404)
        found.catch_up(self.delay)
        return found

    # ── rows

    def _PutRow(self, asked: Message) -> Message:
        self._change(asked["table_name"], read(asked["row"])[0])
        return {"consumed": _CONSUMED, "row": b""}

    def _DeleteRow(self, asked: Message) -> Message:
        given = read(asked["primary_key"])[0]
        if not given.deleted:
            raise Refused("OTSParameterInvalid", "the mark of deletion is missing")
        self._change(asked["table_name"], given)
        return {"consumed": _CONSUMED, "row": b""}

    def _change(self, name: str, given: Row) -> None:
        found = self._table(name)
        if list(given.key) != [found.key] or not isinstance(given.key[found.key], str):
            raise Refused("OTSInvalidPK", "Validate PK name fail.")
        id = str(given.key[found.key])
        for column, value in given.columns.items():
            if isinstance(value, str) and len(value.encode()) > 2 * 1024 * 1024:
                raise Refused("OTSParameterInvalid", f"The length of attribute column: '{column}' exceeded")
        if given.deleted:
            found.rows.pop(id, None)
        else:
            found.rows[id] = given.columns
        for index in found.indexes.values():
            index.changes.append((time.monotonic(), id, None if given.deleted else given.columns))

    def _GetRow(self, asked: Message) -> Message:
        given = self._read(asked["table_name"], asked["primary_key"], asked["columns_to_get"])
        return {"consumed": _CONSUMED, "row": given}

    def _read(self, name: str, key: bytes, columns: list[str]) -> bytes:
        found = self._table(name)
        id = str(read(key)[0].key[found.key])
        if id not in found.rows:
            return b""
        return rows([([(found.key, id)], _chosen(found.rows[id], columns))], timestamp=_now())

    def _BatchGetRow(self, asked: Message) -> Message:
        if not 1 <= sum(len(one["primary_key"]) for one in asked["tables"]) <= 100:
            raise Refused("OTSParameterInvalid", "Rows count exceeds the upper limit: 100.")
        made = []
        for one in asked["tables"]:
            if not one.get("max_versions"):
                raise Refused("OTSParameterInvalid", "either max_versions or time_range is needed")
            if len(set(one["primary_key"])) < len(one["primary_key"]):
                raise Refused("OTSParameterInvalid", "Duplicated primary key.")
            given = [self._read(one["table_name"], key, one["columns_to_get"]) for key in one["primary_key"]]
            parts = [{"is_ok": True, "consumed": _CONSUMED, "row": data} for data in given]
            if self.unread and parts:
                parts[-1] = {"is_ok": False, "error": self.unread.pop(0)}
            made.append({"table_name": one["table_name"], "rows": parts})
        return {"tables": made}

    def _BatchWriteRow(self, asked: Message) -> Message:
        if not 1 <= sum(len(one["rows"]) for one in asked["tables"]) <= 200:
            raise Refused("OTSParameterInvalid", "Rows count exceeds the upper limit: 200.")
        made = []
        for one in asked["tables"]:
            parts = []
            keys = [str(read(change["row_change"])[0].key) for change in one["rows"]]
            if len(set(keys)) < len(keys):
                raise Refused("OTSParameterInvalid", "Duplicated primary key.")
            for change in one["rows"]:
                try:
                    (given,) = read(change["row_change"])
                    if given.deleted != (change["type"] == 3):
                        raise Refused("OTSParameterInvalid", "the row is not of its operation")
                    self._change(one["table_name"], given)
                    parts.append({"is_ok": True, "consumed": _CONSUMED})
                except Refused as error:
                    said = {"code": error.code, "message": str(error)}
                    parts.append({"is_ok": False, "error": said})
            made.append({"table_name": one["table_name"], "rows": parts})
        return {"tables": made}

    def _GetRange(self, asked: Message) -> Message:
        found = self._table(asked["table_name"])
        if asked["direction"] != 0 or not asked.get("max_versions"):
            raise Refused("OTSParameterInvalid", "this double reads forwards only, with max_versions")
        start = read(asked["inclusive_start_primary_key"])[0].key[found.key]
        end = read(asked["exclusive_end_primary_key"])[0].key[found.key]
        ids = sorted(found.rows, key=str.encode)
        if start is not Bound.LEAST:
            ids = [id for id in ids if id.encode() >= str(start).encode()]
        if end is not Bound.MOST:
            ids = [id for id in ids if id.encode() < str(end).encode()]
        limit = min(asked.get("limit") or 5000, 5000)
        page = [([(found.key, id)], _chosen(found.rows[id], asked["columns_to_get"])) for id in ids[:limit]]
        answer = {"consumed": _CONSUMED, "rows": rows(page, timestamp=_now()) if page else b""}
        following = {"next_start_primary_key": row([(found.key, ids[limit])])} if ids[limit:] else {}
        return {**answer, **following}

    # ── searches

    def _Search(self, asked: Message) -> Message:
        index = self._index(asked)
        found = self.tables[asked["table_name"]]
        query = decode("SearchQuery", asked["search_query"])
        columns = asked.get("columns_to_get", {"return_type": _NO_COLUMNS, "column_names": []})
        limit = query.get("limit", 10)
        light = columns.get("return_type") in (_NO_COLUMNS, _INDEX_ONLY)
        if limit > (1000 if light else 100):
            raise Refused("OTSParameterInvalid", f"limit {limit} is too large")
        if query.get("token") and query.get("sort"):
            raise Refused("OTSParameterInvalid", "token and sort cannot be given both")
        state = json.loads(query["token"]) if query.get("token") else _order(query.get("sort"))
        scores = index.found(query["query"])
        ids = _sorted(scores, state)
        page = ids[:limit]
        more = {**state, "after": _place(scores, page[-1])} if page and len(ids) > limit else None
        hits = [
            rows([([(found.key, id)], _shown(index, found, id, columns))], timestamp=_now()) for id in page
        ]
        return {
            "total_hits": len(scores) if query.get("get_total_count") else -1,
            "rows": hits,
            "is_all_succeed": not self.partial,
            "search_hits": [{"score": scores[id]} for id in page] if state["by"] == "score" else [],
            "next_token": json.dumps(more).encode() if more else b"",
        }


def _order(sort: Message | None) -> dict[str, Any]:
    sorters = (sort or {}).get("sorter") or [{"pk_sort": {}}]
    if "score_sort" in sorters[0]:
        if sorters[0]["score_sort"].get("order") != 1:
            raise Refused("OTSParameterInvalid", "scores are sorted downwards")
        return {"by": "score", "after": None}
    return {"by": "key", "after": None}


def _sorted(scores: dict[str, float], state: dict[str, Any]) -> list[str]:
    """Ids in their order, from after what an earlier page ended with."""
    if state["by"] == "key":
        ids = sorted(scores, key=str.encode)
        return [id for id in ids if state["after"] is None or id.encode() > state["after"][1].encode()]
    ids = sorted(scores, key=lambda id: (-scores[id], id))
    if state["after"] is None:
        return ids
    score, last = state["after"]
    return [id for id in ids if (-scores[id], id) > (-score, last)]


def _place(scores: dict[str, float], id: str) -> list[Any]:
    return [scores[id], id]


def _chosen(columns: dict[str, Value], names: list[str]) -> list[tuple[str, Value]]:
    return [(name, value) for name, value in sorted(columns.items()) if not names or name in names]


def _shown(index: SearchIndex, table: Table, id: str, columns: Message) -> list[tuple[str, Value]]:
    kind = columns.get("return_type")
    given = table.rows.get(id, {})
    if kind == _NO_COLUMNS:
        return []
    if kind == _INDEX_ONLY:
        return _chosen(given, list(index.fields))
    return _chosen(given, columns["column_names"] if kind == 2 else [])


def _now() -> int:
    return time.time_ns() // 1_000_000


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def answer_signature(headers: dict[str, str], path: str) -> str:
    return signature(KEY_SECRET, f"{signed_headers(headers)}\n{path}")


def _check(request: Request) -> None:
    if request.method != "POST":
        raise Refused("OTSParameterInvalid", "The request method must be POST.", 405)
    given = dict(request.headers)
    for name in ("x-ots-date", "x-ots-apiversion", "x-ots-accesskeyid", "x-ots-contentmd5"):
        if name not in given:
            raise Refused("OTSParameterInvalid", f"Missing header: '{name}'.")
    if given["x-ots-accesskeyid"] != KEY_ID:
        raise Refused("OTSAuthFailed", "The AccessKeyID does not exist.", 403)
    if given.get("x-ots-instancename") != INSTANCE:
        raise Refused("OTSAuthFailed", "The instance is not found.", 403)
    if given["x-ots-contentmd5"] != _md5(request.body):
        raise Refused("OTSAuthFailed", "Mismatch between MD5 value of request body and its header.", 403)
    found = given.pop("x-ots-signature", "")
    if found != signature(KEY_SECRET, f"{request.raw_path}\nPOST\n\n{signed_headers(given)}\n"):
        raise Refused("OTSAuthFailed", "Signature mismatch.", 403)


def variables(port: int) -> dict[str, str]:
    return {
        "VECTOR_STORE": "tablestore",
        "TABLESTORE_ENDPOINT": f"http://127.0.0.1:{port}",
        "TABLESTORE_INSTANCE_NAME": INSTANCE,
        "TABLESTORE_ACCESS_KEY_ID": KEY_ID,
        "TABLESTORE_ACCESS_KEY_SECRET": KEY_SECRET,
    }
