"""ClickZetta (Singdata Lakehouse) volumes: the type ``clickzetta-volume``.

A volume is reached by SQL: ``PUT`` and ``GET`` answer with a signed URL of the object store underneath,
``LIST`` with rows, ``REMOVE`` with nothing. The four calls (log in, submit a job, ask for it, use the URL)
are what clickzetta-connector-python 0.8 sends; unlike there, the status of every transfer is looked at, and
nothing is held in memory. Not proved against the real service: there is no free one to test with.

Keys are quoted in SQL, so what no dialect could read otherwise is let through and the rest refused: no
quote, backslash or control character, and no empty, ``.`` or ``..`` segment. Where objects lie is Dify's
layout:

- ``user``: ``<CLICKZETTA_VOLUME_DIFY_PREFIX>/<key>`` in the user's volume; - ``external``: ``<key>`` in the
volume CLICKZETTA_VOLUME_NAME; - ``table``: ``upload_files/``, ``tools/`` and others of Dify's own lose that
first segment and go to the user's   volume, so a list cannot tell them apart and is refused; any other
first segment is a table's volume.

There are no parts, no attributes and no copies on the server; a put has up to 5 GiB.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from secrets import randbelow
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    InvalidInput,
    InvalidRange,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unsupported,
)
from cloudberth.storage.body import Body, BytesBody
from cloudberth.storage.clickzetta_rows import Listed, listed, result_rows
from cloudberth.storage.contract import (
    GIB,
    Attributes,
    Backend,
    Capabilities,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    Span,
    Written,
)
from cloudberth.storage.http.backend import Flow, HttpBackend
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import error_of, invalid, unexpected
from cloudberth.storage.http.headers import http_date, whole_size
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.paging import Pages, Source
from cloudberth.storage.settings import Settings, revealed

# Dify's special folders (its type table keeps them in the user's volume).
SPECIAL = frozenset({"upload_files", "temp", "cache", "tools", "website_files", "privkeys"})
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}", re.ASCII)
_UNSAFE = re.compile(r"['\\\x00-\x1f\x7f]")
_TOKEN_LASTS = 0.8 * 2 * 3600.0
_DONE, _GOING = "SUCCEED", frozenset({"SETUP", "QUEUEING", "RUNNING", "RESUMING_CLUSTER", ""})
_SAME_JOB, _KILLED, _QUEUE_FULL = "CZLH-60007", "CZLH-60010", "CZLH-60015"
_MISSING = re.compile(r"not found|not exist|no such|doesn't exist", re.IGNORECASE)
_MISSING_PLACE = re.compile(
    r"(volume|table|schema|workspace)\b[^/]*(not found|not exist|doesn't exist)", re.IGNORECASE
)
_DENIED = re.compile(r"no ?permission|access denied|unauthorized|illegal authorization", re.IGNORECASE)
# Nothing is read from or written to it: the path of a file that PUT and GET want to be named.
_LOCAL = "/cloudberth"


class ClickZettaVolumeSettings(Settings):
    """Settings of ClickZetta, by Dify's names; without ``_VOLUME`` they are those of its vector store."""

    schemes: ClassVar[tuple[str, ...]] = ("clickzetta",)
    shared: ClassVar[frozenset[str]] = frozenset(
        {"username", "password", "instance", "service", "workspace", "vcluster", "schema_name"}
    )

    bucket: str = Field("", alias="CLICKZETTA_VOLUME_NAME", description="name of an external volume")
    username: str = Field(alias="CLICKZETTA_VOLUME_USERNAME")
    password: SecretStr = Field(alias="CLICKZETTA_VOLUME_PASSWORD")
    instance: str = Field(alias="CLICKZETTA_VOLUME_INSTANCE")
    service: str = Field("api.clickzetta.com", alias="CLICKZETTA_VOLUME_SERVICE")
    workspace: str = Field("quick_start", alias="CLICKZETTA_VOLUME_WORKSPACE")
    vcluster: str = Field("default_ap", alias="CLICKZETTA_VOLUME_VCLUSTER")
    schema_name: str = Field("dify", alias="CLICKZETTA_VOLUME_SCHEMA")
    type: Literal["user", "table", "external"] = Field(
        "table", alias="CLICKZETTA_VOLUME_TYPE", description="table, as Dify has it when nothing is set"
    )
    table_prefix: str = Field("dataset_", alias="CLICKZETTA_VOLUME_TABLE_PREFIX")
    dify_prefix: str = Field("dify_km", alias="CLICKZETTA_VOLUME_DIFY_PREFIX")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: str) -> Self:
        known = dict(environment)
        for name, variable in cls.variables().items():
            if name in cls.shared and not known.get(variable, "").strip():
                known[variable] = known.get(variable.replace("_VOLUME_", "_"), "")
        return super().from_environment(known, **given)

    @model_validator(mode="after")
    def _external_volumes_have_names(self) -> ClickZettaVolumeSettings:
        if self.type == "external" and not _NAME.fullmatch(self.bucket):
            raise ValueError("CLICKZETTA_VOLUME_NAME has to name the external volume: letters, digits, _")
        if self.type == "table" and not _NAME.fullmatch(f"{self.table_prefix}x"):
            raise ValueError("CLICKZETTA_VOLUME_TABLE_PREFIX is no start of a table's name")
        if _UNSAFE.search(self.dify_prefix) or not self.dify_prefix.strip("/"):
            raise ValueError("CLICKZETTA_VOLUME_DIFY_PREFIX has to be the name of a folder")
        return self


class ClickZettaVolume(HttpBackend, OpenableBackend):
    """A volume, or Dify's several ones."""

    id = "clickzetta-volume"
    settings = ClickZettaVolumeSettings
    capabilities = Capabilities(max_put=5 * GIB, max_parts=0, copy_max=0, metadata=False, attributes=False)

    def __init__(self, client: Client, settings: ClickZettaVolumeSettings, deadline: float) -> None:
        super().__init__(client)
        self._given = settings
        self._deadline = deadline
        self.origin = Origin.parse(settings.service)
        self.place = f"clickzetta://{settings.bucket or settings.type}"
        self._lock = threading.Lock()
        self._token = ""
        self._token_ends = 0.0
        self._pages = Pages(self._source)

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Backend:
        if not isinstance(settings, ClickZettaVolumeSettings):
            raise InvalidInput(f"these are settings of {type(settings).__name__}", where=cls.id)
        return cls(Client(options), settings, options.deadline)

    # -- requests --------------------------------------------------------------------------------------------

    def authorize(self, request: Request) -> None:
        request.headers["x-clickzetta-token"] = self._logged_in()
        request.headers["instancename"] = self._given.instance

    def failure(self, request: Request, response: Response) -> BackendError:
        """Of the service, or of the object store that a signed URL leads to; the URL itself stays secret."""
        code = re.search(rb"<Code>([A-Za-z0-9]{1,60})</Code>", response.body)
        return error_of(
            response,
            code=code[1].decode() if code else "",
            message="" if code else response.body[:200].decode("utf-8", "replace") if request.signed else "",
            where=f"{self.place}{request.path}" if request.signed else self.place,
            meanings={"NoSuchKey": NotFound, "NoSuchBucket": BucketNotFound, "InvalidRange": InvalidRange},
        )

    def _send(self, request: Request) -> Response:
        return self.run(_single(request))

    def _post(self, path: str, members: Mapping[str, Any], *, signed: bool = True) -> dict[str, Any]:
        body = BytesBody(json.dumps(members).encode())
        headers = {"content-type": "application/json"}
        response = self._send(Request("POST", self.origin, path, (), headers, body, signed=signed))
        try:
            found = json.loads(response.body)
        except (ValueError, RecursionError):
            raise unexpected("the answer is no JSON", where=self.place) from None
        if not isinstance(found, dict):
            raise unexpected("the answer is no JSON object", where=self.place)
        return found

    def _logged_in(self) -> str:
        """A token, which lasts two hours; fetched anew before it ends."""
        with self._lock:
            if time.monotonic() < self._token_ends:
                return self._token
            login = {
                "username": self._given.username,
                "password": revealed(self._given.password),
                "instanceName": self._given.instance,
            }
            answer = self._post("/clickzetta-portal/user/loginSingle", login, signed=False)
            data = answer.get("data")
            token = data.get("token") if isinstance(data, dict) else None
            if answer.get("code", 0) != 0 or not isinstance(token, str) or not token:
                said = str(answer.get("message") or answer.get("msg") or "no token")[:200]
                hint = "check CLICKZETTA_VOLUME_USERNAME, _PASSWORD and _INSTANCE"
                raise PermissionDenied(f"the log-in was refused: {said}", where=self.place, hint=hint)
            self._token, self._token_ends = token, time.monotonic() + _TOKEN_LASTS
            return token

    def _forget_token(self) -> None:
        with self._lock:
            self._token_ends = 0.0

    # -- SQL -------------------------------------------------------------------------------------------------

    def _query(self, sql: str, where: str) -> dict[str, Any]:
        """The finished job of one statement. A token that the service no longer knows is renewed once."""
        try:
            return self._job(sql, where)
        except PermissionDenied:
            self._forget_token()
            return self._job(sql, where)

    def _job(self, sql: str, where: str) -> dict[str, Any]:
        micros = time.time_ns() // 1000 % 1_000_000
        job = f"{time.strftime('%Y%m%d%H%M%S')}{micros:06}{10_000 + randbelow(90_000)}"
        names = {"id": job, "workspace": self._given.workspace, "instance_id": 100}
        answer = self._post("/lh/submitJob", {"jobDesc": self._description(names, sql)})
        end = time.monotonic() + self._deadline
        pause = 0.05
        while not self._finished(answer, where):
            if time.monotonic() > end:
                raise TimedOut("the job does not end", where=where)
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)
            asked = {"account": {"user_id": 0}, "job_id": names, "offset": 0, "user_agent": ""}
            answer = self._post("/lh/getJob", {"get_result_request": asked, "user_agent": ""})
        return answer

    def _description(self, names: Mapping[str, Any], sql: str) -> dict[str, Any]:
        hints = {
            "cz.sql.adhoc.result.type": "embedded",
            "cz.sql.adhoc.default.format": "TEXT",
            "cz.sql.job.result.file.presigned.url.enabled": "true",
            "cz.sql.job.result.file.presigned.url.ttl": "3600",
        }
        config = {"timeout": 0, "adhocSizeLimit": "0", "adhocRowLimit": "0", "hint": hints}
        namespace = [self._given.workspace, self._given.schema_name]
        return {
            "virtualCluster": self._given.vcluster,
            "type": "SQL_JOB",
            "jobId": names,
            "jobName": "SQL_JOB",
            "requestMode": "HYBRID",
            "hybridPollingTimeout": 30,
            "jobConfig": {},
            "sqlJob": {"query": [sql], "defaultNamespace": namespace, "sqlConfig": config},
            "priority": 0,
            "priorityString": "NORMAL",
            "clientContext": {"configStatements": [], "contextJson": json.dumps({"configs": hints})},
        }

    def _finished(self, answer: Mapping[str, Any], where: str) -> bool:
        """Whether a job has ended well. Raises the error that it ended with."""
        status = answer.get("status")
        if not isinstance(status, dict):
            raise unexpected("the answer has no status", where=where)
        code = str(status.get("errorCode") or "")
        state = str(status.get("state") or "")
        if code and code != _SAME_JOB:
            raise self._failed(code, str(status.get("errorMessage") or status.get("message") or state), where)
        if state == _DONE:
            return True
        if state in _GOING or code == _SAME_JOB:
            return False
        raise self._failed(state, str(status.get("errorMessage") or ""), where)

    def _failed(self, code: str, said: str, where: str) -> BackendError:
        text = f"{code}: {' '.join(said.split())[:200]}"
        if code == _QUEUE_FULL:
            found: BackendError = Throttled(text, where=where)
        elif code == _KILLED:
            found = TimedOut(text, where=where)
        elif _DENIED.search(said):
            found = PermissionDenied(text, where=where)
        elif _MISSING_PLACE.search(said):
            found = BucketNotFound(text, where=where, hint="check the names of volume, schema and workspace")
        elif _MISSING.search(said):
            found = NotFound(text, where=where)
        else:
            found = invalid(text, where=where)
        found.code = code
        return found

    def _ticket(self, sql: str, where: str) -> str:
        """The signed URL that PUT or GET answers with."""
        for _ in range(2):
            rows = result_rows(self._query(sql, where), self._fetched, where)
            try:
                outcome = json.loads("\n".join(rows))
                state = outcome["status"]
                if state == "FAILED":
                    raise self._failed(state, str(outcome.get("error", "")), where)
                # The service wants the local files named one by one; ours is.
                if state == "CONTINUE" and not outcome.get("ticket"):
                    continue
                return str(outcome["ticket"]["presignedUrls"][0])
            except (ValueError, KeyError, IndexError, TypeError, RecursionError):
                raise unexpected("the answer has no signed URL", where=where) from None
        raise unexpected("the transfer does not begin", where=where)

    def _fetched(self, url: str) -> bytes:
        return self._send(self._plain("GET", url)).body

    def _plain(self, method: str, url: str, headers: Mapping[str, str] = {}, **more: Any) -> Request:
        """A request to a signed URL, whose path and query go out as they came."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        return Request(method, Origin.parse(url), target, (), dict(headers), signed=False, **more)

    # -- where objects lie -----------------------------------------------------------------------------------

    def _place(self, key: str) -> tuple[str, str]:
        """The volume, as SQL names it, and the path in it. Raises Unsupported for what it cannot hold."""
        if _UNSAFE.search(key) or not all(part not in ("", ".", "..") for part in key.split("/")):
            raise Unsupported(
                f"a volume cannot hold the key {key!r}",
                where=self._where(key),
                hint="no quotes, backslashes, control characters, and no empty, . or .. segments",
            )
        given = self._given
        if given.type == "user":
            return "USER VOLUME", f"{given.dify_prefix}/{key}"
        if given.type == "external":
            return f"VOLUME {given.bucket}", key
        first, slash, rest = key.partition("/")
        if first in SPECIAL and slash:
            return "USER VOLUME", f"{given.dify_prefix}/{rest}"
        table = f"{given.table_prefix}{first.removeprefix(given.table_prefix)}"
        if not slash or not _NAME.fullmatch(table):
            raise Unsupported(
                f"the key {key!r} names no table", where=self._where(key), hint="CLICKZETTA_VOLUME_TYPE=user"
            )
        return f"TABLE VOLUME {table}", rest

    def _where(self, key: str) -> str:
        return f"{self.place}/{key}"

    # -- objects ---------------------------------------------------------------------------------------------

    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Written:
        if condition.absent or condition.match is not None:
            raise self.unsupported("conditions on a put")
        if attributes.metadata:
            raise self.unsupported("user metadata")
        volume, path = self._place(key)
        url = self._ticket(f"PUT '{_LOCAL}' TO {volume} FILE '{path}'", self._where(key))
        response = self._send(self._plain("PUT", url, body=body))
        return Written(response.header("etag").strip('"') or None)

    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Opened:
        where = self._where(key)
        response = self._read(key, _range(span) if span is not None else "")
        if span is not None and response.status != 206:
            response.reader.close()
            size = whole_size(response.headers)
            if 0 <= size <= span.start:
                raise InvalidRange(f"byte {span.start} is behind the end, at {size}", where=where)
            raise unexpected("the server ignored the range", where=where)
        info = _info(key, response, where)
        if match is not None and info.etag != match:
            response.reader.close()
            raise PreconditionFailed("the object was changed", where=where)
        return Opened(info, response.reader)

    def _read(self, key: str, span: str) -> Response:
        where = self._where(key)
        try:
            volume, path = self._place(key)
        except Unsupported as error:
            raise NotFound(error.what, where=where) from None
        url = self._ticket(f"GET {volume} FILE '{path}' TO '{_LOCAL}'", where)
        try:
            return self._send(self._plain("GET", url, {"range": span} if span else {}, stream=True))
        except NotFound as error:
            raise NotFound("there is no such object", where=where) from error
        except BackendError as error:
            error.where = where
            raise

    def head(self, key: str) -> ObjectInfo:
        """Of the first byte's answer: the signed URL is one for GET, and a list does not tell the etag."""
        try:
            response = self._read(key, "bytes=0-0")
        except InvalidRange:
            response = self._read(key, "")
        response.reader.close()
        return _info(key, response, self._where(key))

    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        return self._pages.page(prefix, delimiter, after, cursor, limit)

    def _source(self, prefix: str, floor: bytes) -> Source:
        """All that the folder of a prefix holds, sorted here: in which order it is listed, nobody says."""
        folder = prefix.rpartition("/")[0]
        if _UNSAFE.search(folder) or (folder and any(part in ("", ".", "..") for part in folder.split("/"))):
            return Listed([])
        volume, path = self._folder(folder)
        below = f"{path}/" if path else ""
        sql = f"LIST {volume} SUBDIRECTORY '{path}'" if path else f"LIST {volume}"
        try:
            rows = result_rows(self._query(sql, self._where(prefix)), self._fetched, self._where(prefix))
        except NotFound as error:
            if isinstance(error, BucketNotFound):
                raise
            return Listed([])
        inside = f"{folder}/" if folder else ""
        found = listed(rows, below, inside, self.place)
        return Listed([info for info in found if info.key.startswith(prefix)])

    def _folder(self, folder: str) -> tuple[str, str]:
        """The volume and the path of a folder; of all when empty."""
        given = self._given
        if given.type == "table":
            first = folder.partition("/")[0]
            if first in SPECIAL or not folder:
                raise Unsupported(
                    "Dify's layout for tables does not tell apart what lies in its special folders",
                    where=self._where(folder),
                    hint="list the folder of one table, or use CLICKZETTA_VOLUME_TYPE=user",
                )
            volume, path = self._place(f"{folder}/x")
            return volume, path.removesuffix("x").strip("/")
        if given.type == "external":
            return f"VOLUME {given.bucket}", folder
        return "USER VOLUME", f"{given.dify_prefix}/{folder}".rstrip("/")

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        failures: list[DeleteFailure] = []
        for key in keys:
            try:
                volume, path = self._place(key)
                self._query(f"REMOVE {volume} FILE '{path}'", self._where(key))
            except (BucketNotFound, PermissionDenied):
                raise
            except (NotFound, Unsupported):
                continue
            except BackendError as error:
                if error.retryable:
                    raise
                failures.append(DeleteFailure(key, error))
        return failures

    def check_bucket(self) -> None:
        """List a folder that is not there, which is cheap and needs the volume."""
        if self._given.type == "external":
            self._query(f"LIST VOLUME {self._given.bucket} SUBDIRECTORY '.berth-check'", self.place)
        else:
            self._query(f"LIST USER VOLUME SUBDIRECTORY '{self._given.dify_prefix}/.berth-check'", self.place)


def _single(request: Request) -> Flow[Response]:
    response = yield request
    return response


def _range(span: Span) -> str:
    last = "" if span.length is None else str(span.start + span.length - 1)
    return f"bytes={span.start}-{last}"


def _info(key: str, response: Response, where: str) -> ObjectInfo:
    size = whole_size(response.headers)
    if size < 0:
        raise unexpected("the answer does not tell the size", where=where)
    modified = http_date(response.header("last-modified"))
    return ObjectInfo(key, size, modified, response.header("etag").strip('"') or None)
