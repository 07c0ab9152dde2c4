"""Mochow's HTTP interface in memory, with its own reader of the vendor's filter language.

The vendor's library accepts it (tests/vector/http_stores/test_vector_baidu.py).
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

from vector_servers.filter_text import FilterText, Meaning

from doubles.server import Request, Response, json_response

ACCOUNT, KEY = "root", "of-tests-no-secret"
_TOKENS = re.compile(
    r"""\s*(?:(?P<path>[A-Za-z_][A-Za-z_0-9]*\["[^"]*"\])|(?P<text>'[^']*'|"[^"]*")|(?P<sign>[=(),])"""
    r"""|(?P<word>[A-Za-z_][A-Za-z_0-9]*))"""
)


class Refused(Exception):
    def __init__(self, code: int, said: str, status: int = 400) -> None:
        super().__init__(said)
        self.code, self.status = code, status


@dataclass
class BaiduDouble:
    """One instance. tables, rows: by (database, name). slow: how often a new table is still being made."""

    port: int = 0
    slow: int = 0
    databases: set[str] = field(default_factory=set)
    tables: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, request: Request) -> Response:
        try:
            if request.header("authorization") != f"Bearer account={ACCOUNT}&api_key={KEY}":
                raise Refused(24, "authentication failed", 401)
            found = self.answer(request.method, request.path, request.query, request.json())
            return json_response(200, {"code": 0, "msg": "Success", **found})
        except Refused as error:
            return json_response(error.status, {"code": error.code, "msg": str(error)})

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> dict[str, Any]:
        what = path.removeprefix("/v1/")
        with self.lock:
            if method == "DELETE" and what == "table":
                key = self._known(query["database"], query["table"])
                del self.tables[key], self.rows[key]
                return {}
            (action,) = query
            self.requests.append((f"{what}?{action}", body))
            if what == "database":
                return self._database(action, body)
            database = body["database"]
            if database not in self.databases:
                raise Refused(50, f"database not exist: {database}", 404)
            if what == "table" and action == "list":
                return {"tables": [name for owner, name in self.tables if owner == database]}
            if what == "table" and action == "create":
                return self._create((database, body["table"]), body)
            key = self._known(database, body["table"])
            handler = getattr(self, f"_{what}_{action}".lower())
            found = handler(key, body)
            assert isinstance(found, dict)
            return found

    def _database(self, action: str, body: Any) -> dict[str, Any]:
        if action == "list":
            return {"databases": sorted(self.databases)}
        if body["database"] in self.databases:
            raise Refused(51, "database already exist")
        self.databases.add(body["database"])
        return {}

    def _known(self, database: str, table: str) -> tuple[str, str]:
        if (database, table) not in self.tables:
            raise Refused(69, f"table not exist: {table}", 404)
        return database, table

    def _create(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        if key in self.tables:
            raise Refused(70, "table already exist")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,254}", key[1]):
            raise Refused(2, "invalid table name")
        self.tables[key] = {**body, "waits": self.slow, "built": False, "aliases": [], "ttl": 0}
        self.rows[key] = {}
        return {}

    def _table_desc(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        table = self.tables[key]
        state = "CREATING" if table["waits"] > 0 else "NORMAL"
        table["waits"] -= 1
        shown = {name: value for name, value in table.items() if name not in {"waits", "built"}}
        return {"table": {**shown, "state": state}}

    def _index_rebuild(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        if self.tables[key]["waits"] > 0:
            raise Refused(72, "table not ready")
        self.tables[key]["built"] = True
        return {}

    def _index_desc(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        indexes = self.tables[key]["schema"]["indexes"]
        found = next(one for one in indexes if one["indexName"] == body["indexName"])
        return {"index": {**found, "state": "NORMAL"}}

    def _row_upsert(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        fields = {one["fieldName"]: one for one in self.tables[key]["schema"]["fields"]}
        if len(body["rows"]) > 1000:
            raise Refused(2, "too many rows")
        for row in body["rows"]:
            if set(row) - set(fields):
                raise Refused(80, f"field not exist: {set(row) - set(fields)}")
            if len(row["vector"]) != fields["vector"]["dimension"]:
                raise Refused(2, "the dimension of the vector is wrong")
            self.rows[key][row["id"]] = row
        return {"affectedCount": len(body["rows"])}

    def _row_query(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        row = self.rows[key].get(body["primaryKey"]["id"])
        if row is None:
            raise Refused(101, "row key not found", 404)
        return {"row": _shown(row, body.get("projections"), body.get("retrieveVector", False))}

    def _row_batchquery(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        rows = (self.rows[key].get(one["primaryKey"]["id"]) for one in body["keys"])
        return {"rows": [_shown(row, body.get("projections"), True) for row in rows if row]}

    def _row_delete(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        if "filter" in body:
            for row in self._chosen(key, body["filter"]):
                del self.rows[key][row["id"]]
        else:
            self.rows[key].pop(body["primaryKey"]["id"], None)
        return {}

    def _row_select(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        limit = body.get("limit", 10)
        if not 1 <= limit <= 1000:
            raise Refused(2, "limit is 1 to 1000")
        start = (body.get("marker") or {}).get("id", "")
        rows = [row for row in self._chosen(key, body.get("filter")) if row["id"] >= start]
        page, rest = rows[:limit], rows[limit:]
        found: dict[str, Any] = {
            "rows": [_shown(row, body.get("projections"), True) for row in page], "isTruncated": bool(rest)
        }  # fmt: skip
        return {**found, "nextMarker": {"id": rest[0]["id"]}} if rest else found

    def _row_search(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        if not self.tables[key]["built"]:
            raise Refused(94, "the index was never built")
        if "BM25SearchParams" in body:
            return self._by_words(key, body)
        import numpy

        anns = body["anns"]
        query = numpy.asarray(anns["vectorFloats"])
        indexes = self.tables[key]["schema"]["indexes"]
        metric = next(one["metricType"] for one in indexes if one["indexName"] == "vector_idx")
        found = []
        for row in self._chosen(key, anns.get("filter")):
            vector = numpy.asarray(row["vector"])
            if len(vector) != len(query):
                raise Refused(2, "the dimension of the vector is wrong")
            product = float(query @ vector)
            lengths = float(numpy.linalg.norm(query) * numpy.linalg.norm(vector))
            near = {"IP": product, "COSINE": product / lengths}.get(metric)
            near = -float(numpy.linalg.norm(query - vector)) if near is None else near
            shown = _shown(row, body.get("projections"), body.get("retrieveVector", False))
            found.append({"row": shown, "score": near, "distance": near})
        found.sort(key=lambda one: -one["score"])
        return {"rows": found[: anns["params"]["limit"]]}

    def _by_words(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        """By how often a text has the words. Pairs of characters stand for the vendor's analyser."""
        words = _tokens(body["BM25SearchParams"]["searchText"])
        found = []
        for row in self._chosen(key, body.get("filter")):
            there = _tokens(row["page_content"])
            score = sum(there.count(word) for word in words) / (1 + len(there) ** 0.5)
            if score > 0:
                found.append({"row": _shown(row, body.get("projections"), False), "score": score})
        found.sort(key=lambda one: -one["score"])
        return {"rows": found[: body.get("limit", 10)]}

    def _chosen(self, key: tuple[str, str], filter: str | None) -> list[dict[str, Any]]:
        rows = [self.rows[key][id] for id in sorted(self.rows[key])]
        fits = Reader(filter).read() if filter else None
        return [row for row in rows if fits is None or fits(row)]


class Reader(FilterText):
    """AND, OR, NOT, parentheses, = and IN of texts; fields, and keys of JSON fields."""

    def __init__(self, text: str) -> None:
        super().__init__(text, _TOKENS, lambda said: Refused(2, f"invalid filter: {said}"))

    def condition(self) -> Meaning:
        if self.takes("NOT"):
            inner = self.one()
            return lambda row: not inner(row)
        name, _, rest = self.next("path", "word")[1].partition("[")
        if self.takes("="):
            values = [self.value()]
        else:
            self.needs("IN")
            values = self.listed(self.value)
        if not rest:
            return lambda row: row.get(name) in values
        return lambda row: (row.get(name) or {}).get(rest[1:-2]) in values

    def value(self) -> str:
        return self.next("text")[1][1:-1]


def _tokens(text: str) -> list[str]:
    runs = re.findall(r"[\u4e00-\u9fff]+|[^\W\u4e00-\u9fff]+", text.lower())
    found: list[str] = []
    for run in runs:
        chinese = "\u4e00" <= run[0] <= "\u9fff"
        found += [run[at : at + 2] for at in range(len(run) - 1)] if chinese else [run]
    return found


def _shown(row: dict[str, Any], fields: list[str] | None, vectors: bool) -> dict[str, Any]:
    wanted = fields or [name for name in row if name != "vector" or vectors]
    return {name: row[name] for name in {"id", *wanted} if name in row}


def variables(port: int) -> dict[str, str]:
    return {
        "VECTOR_STORE": "baidu",
        "BAIDU_VECTOR_DB_ENDPOINT": f"http://127.0.0.1:{port}",
        "BAIDU_VECTOR_DB_ACCOUNT": ACCOUNT,
        "BAIDU_VECTOR_DB_API_KEY": KEY,
        "BAIDU_VECTOR_DB_DATABASE": "dify",
    }
