"""AnalyticDB's OpenAPI over a real PostgreSQL: checks signatures on its own, and runs the SQL of filters.

The vendor's SDK accepts it (tests/vector/http_stores/test_vector_analyticdb_api.py).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from doubles.server import Request, Response, json_response

KEY, SECRET = "LTAI-of-tests", "of tests, no secret"
ACCOUNT = {"ManagerAccount": "owner", "ManagerAccountPassword": "owner's, of tests"}
NAMESPACE_PASSWORD = "namespace's, of tests"
_SIGNS = {"cosine": "<=>", "l2": "<->", "ip": "<#>"}


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class AnalyticDbDouble:
    """host, database: of a PostgreSQL with pgvector. requests: (action, parameters)."""

    host: str
    database: str
    port: int = 0
    initialized: bool = False
    namespaces: dict[str, str] = field(default_factory=dict)
    collections: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    connection: Any = None

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()

    def handle(self, request: Request) -> Response:
        try:
            if request.method != "POST":
                raise Refused(405, "UnsupportedHTTPMethod", "this http method is not supported")
            return json_response(200, self.answer(request.target, request.headers, request.body))
        except Refused as error:
            refusal = {"Code": error.code, "Message": str(error), "RequestId": "1"}
            return json_response(error.status, refusal)

    def answer(self, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        _check_signature(target, headers, body)
        asked = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        asked |= dict(parse_qsl(body.decode(), keep_blank_values=True))
        action = headers["x-acs-action"]
        self.requests.append((action, asked))
        if headers["x-acs-version"] != "2016-05-03" or asked.get("DBInstanceId") != "gp-test":
            raise Refused(400, "InvalidDBInstanceId", "no such instance")
        handler = getattr(self, "_" + re.sub(r"(?<!^)([A-Z])", r"_\1", action).lower(), None)
        if handler is None:
            raise Refused(404, "InvalidAction.NotFound", f"{action} is not found")
        with self.lock:
            return {"RequestId": "1", "Status": "success", **(handler(asked) or {})}

    # ── actions

    def _init_vector_database(self, asked: dict[str, str]) -> None:
        self._check_owner(asked)
        self.initialized = True

    def _describe_namespace(self, asked: dict[str, str]) -> None:
        self._check_owner(asked)
        if asked["Namespace"] not in self.namespaces:
            raise Refused(404, "Namespace.NotFound", "the namespace is not found")

    def _create_namespace(self, asked: dict[str, str]) -> None:
        self._check_owner(asked)
        if not self.initialized:
            raise Refused(400, "VectorDatabase.NotInitialized", "call InitVectorDatabase first")
        self.namespaces[asked["Namespace"]] = asked["NamespacePassword"]

    def _create_collection(self, asked: dict[str, str]) -> None:
        self._check_owner(asked)
        self._describe_namespace(asked)
        name, columns = asked["Collection"], json.loads(asked["Metadata"])
        if name in self.collections:
            raise Refused(409, "Collection.AlreadyExist", "the collection exists")
        made = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        self._run(
            f'CREATE TABLE "{name}" (id text PRIMARY KEY, vector vector({int(asked["Dimension"])}), {made})'
        )
        self.collections[name] = {
            "Dimension": int(asked["Dimension"]),
            "Metrics": asked["Metrics"],
            "Metadata": columns,
            "FullTextRetrievalFields": asked["FullTextRetrievalFields"],
        }

    def _describe_collection(self, asked: dict[str, str]) -> dict[str, Any]:
        return self._known(asked)

    def _list_collections(self, asked: dict[str, str]) -> dict[str, Any]:
        self._check_namespace(asked)
        return {"Collections": {"Collection": sorted(self.collections)}}

    def _delete_collection(self, asked: dict[str, str]) -> None:
        self._known(asked)
        self._run(f'DROP TABLE "{asked["Collection"]}"')
        del self.collections[asked["Collection"]]

    def _upsert_collection_data(self, asked: dict[str, str]) -> None:
        known = self._known(asked)
        columns = ["id", "vector", *known["Metadata"]]
        marks = ", ".join(["%s"] * len(columns))
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in columns[1:])
        names = ", ".join(f'"{name}"' for name in columns)
        for at, row in enumerate(json.loads(asked["Rows"])):
            if len(row["Vector"]) != known["Dimension"]:
                raise Refused(400, "InvalidParameter", "the dimension of the vector is not right")
            id = row.get("Id") or f"random-{hashlib.sha256(f'{at}{row}'.encode()).hexdigest()}"
            values = [id, str(row["Vector"]), *(row["Metadata"][name] for name in known["Metadata"])]
            self._run(
                f'INSERT INTO "{asked["Collection"]}" ({names}) VALUES ({marks}) '
                f"ON CONFLICT (id) DO UPDATE SET {changes}",
                values,
            )

    def _delete_collection_data(self, asked: dict[str, str]) -> dict[str, Any]:
        self._known(asked)
        where = _escaped(asked["CollectionDataFilter"])
        rows = self._run(f'DELETE FROM "{asked["Collection"]}" WHERE {where} RETURNING id', [])
        return {"AppliedRows": len(rows)}

    def _query_collection_data(self, asked: dict[str, str]) -> dict[str, Any]:
        known = self._known(asked)
        table, where = f'"{asked["Collection"]}"', f"({_escaped(asked.get('Filter') or 'TRUE')})"
        values: list[Any] = []
        score, order = "0::float", _escaped(asked.get("OrderBy") or "id")
        if "Vector" in asked:
            metric = asked.get("Metrics") or known["Metrics"]
            near = f"vector {_SIGNS[metric]} %s::vector"
            score = {"cosine": f"1 - ({near})", "l2": near, "ip": f"-1 * ({near})"}[metric]
            values, order = [asked["Vector"]], "score" if metric == "l2" else "score DESC"
        elif "Content" in asked:
            words = _tokens(asked["Content"])
            if not words:
                return {"Matches": {"match": []}}
            return self._by_words(table, where, words, int(asked["TopK"]))
        statement = (
            f"SELECT id, ref_doc_id, page_content, metadata_::text, vector::text, {score} AS score "
            f"FROM {table} WHERE {where} ORDER BY {order} LIMIT %s OFFSET %s"
        )
        offset = int(asked.get("Offset") or 0)
        rows = self._run(statement, [*values, int(asked["TopK"]), offset])
        found: dict[str, Any] = {
            "Matches": {"match": _matches(rows, asked.get("IncludeValues", "").lower() == "true")}
        }
        if offset:
            found["Total"] = self._run(f"SELECT count(*) FROM {table} WHERE {where}", [])[0][0]
        return found

    def _by_words(self, table: str, where: str, words: list[str], most: int) -> dict[str, Any]:
        """By how often a text has the words. Pairs of characters stand for the vendor's parser."""
        rows = self._run(
            f"SELECT id, ref_doc_id, page_content, metadata_::text, vector::text FROM {table} WHERE {where}",
            [],
        )
        scored = []
        for row in rows:
            there = _tokens(row[2])
            score = sum(there.count(word) for word in words) / (1 + len(there) ** 0.5)
            scored.append((*row, score))
        best = sorted((row for row in scored if row[5] > 0), key=lambda row: -row[5])
        return {"Matches": {"match": _matches(best[:most], False)}}

    # ── inside

    def _known(self, asked: dict[str, str]) -> dict[str, Any]:
        self._check_namespace(asked)
        if asked["Collection"] not in self.collections:
            raise Refused(404, "Collection.NotFound", "the collection is not found")
        return self.collections[asked["Collection"]]

    def _check_owner(self, asked: dict[str, str]) -> None:
        if any(asked.get(name) != value for name, value in ACCOUNT.items()):
            raise Refused(403, "Forbidden.Account", "the password of the account is wrong")

    def _check_namespace(self, asked: dict[str, str]) -> None:
        password = self.namespaces.get(asked["Namespace"])
        if password is None:
            raise Refused(404, "Namespace.NotFound", "the namespace is not found")
        if asked.get("NamespacePassword") != password:
            raise Refused(403, "Forbidden.Namespace", "the password of the namespace is wrong")

    def _run(self, statement: str, values: list[Any] | None = None) -> list[Any]:
        import psycopg

        if self.connection is None:
            place = {"host": self.host, "user": "postgres", "dbname": self.database}
            self.connection = psycopg.connect(**place, autocommit=True)
        try:
            cursor = self.connection.execute(statement, values)
        except psycopg.Error as error:
            raise Refused(400, "InvalidParameter.Filter", str(error)) from None
        return cursor.fetchall() if cursor.description else []


def _escaped(sql: str) -> str:
    """A percent sign in given SQL is one, beside the places of our own values."""
    return sql.replace("%", "%%")


def _tokens(text: str) -> list[str]:
    runs = re.findall(r"[\u4e00-\u9fff]+|[^\W\u4e00-\u9fff]+", text.lower())
    pairs = [[run[at : at + 2] for at in range(len(run) - 1)] if "\u4e00" <= run[0] <= "\u9fff" else [run]
             for run in runs]  # fmt: skip
    return [token for run in pairs for token in run]


def _matches(rows: list[Any], values: bool) -> list[dict[str, Any]]:
    found = []
    for id, doc_id, text, metadata, vector, score in rows:
        one = {
            "Id": id,
            "Score": float(score),
            "Metadata": {"ref_doc_id": doc_id, "page_content": text, "metadata_": metadata},
        }
        if values:
            one["Values"] = {"value": json.loads(vector)}
        found.append(one)
    return found


def _check_signature(target: str, headers: Mapping[str, str], body: bytes) -> None:
    """Computed anew from what arrived, by the vendor's description."""
    given = re.fullmatch(
        r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if not given or given[1] != KEY:
        raise Refused(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    digest = hashlib.sha256(body).hexdigest()
    pairs = sorted(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    names = given[2].split(";")
    missing = {name for name in headers if name.startswith("x-acs-")} | {"host"}
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    canonical = "\n".join(("POST", "/", query, lines, given[2], digest))
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    wanted = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    if wanted != given[3] or headers["x-acs-content-sha256"] != digest or not missing <= set(names):
        raise Refused(400, "SignatureDoesNotMatch", "Specified signature does not match our calculation.")


def variables(port: int) -> dict[str, str]:
    """Dify's variables, and where the double is."""
    return {
        "VECTOR_STORE": "analyticdb",
        "ANALYTICDB_KEY_ID": KEY,
        "ANALYTICDB_KEY_SECRET": SECRET,
        "ANALYTICDB_REGION_ID": "cn-hangzhou",
        "ANALYTICDB_INSTANCE_ID": "gp-test",
        "ANALYTICDB_ACCOUNT": ACCOUNT["ManagerAccount"],
        "ANALYTICDB_PASSWORD": ACCOUNT["ManagerAccountPassword"],
        "ANALYTICDB_NAMESPACE_PASSWORD": NAMESPACE_PASSWORD,
        "ANALYTICDB_ENDPOINT": f"http://127.0.0.1:{port}",
    }
