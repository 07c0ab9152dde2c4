"""TiDB on Qdrant: the endpoint of a cluster is asked of TiDB Cloud, under digest authentication."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest
import requests
from requests.auth import HTTPDigestAuth

from cloudberth import vector
from cloudberth.errors import InvalidInput, PermissionDenied, Unavailable
from cloudberth.vector._tidb_cloud import TidbCloud
from cloudberth.vector.options import Options
from doubles.server import HttpServer, Request, Response, json_response

STATES = {
    "ready": {"state": "ACTIVE", "userPrefix": "3Fx", "endpoints": {"public": {"host": "gw.tidb.test"}}},
    "young": {"state": "CREATING"},
}


def _api(request: Request) -> Response:
    """``GET /v1beta1/clusters/{id}`` of the key pair public, private."""
    if not _is_right(request.header("authorization"), request.target):
        challenge = 'Digest realm="tidb.cloud", nonce="abc", algorithm=MD5, qop="auth"'
        return Response(401, {"www-authenticate": challenge}, b"{}")
    found = STATES.get(request.raw_path.rpartition("/")[2])
    return json_response(200 if found else 404, found or {"message": "no such cluster"})


def _is_right(header: str, path: str) -> bool:
    parts = dict(re.findall(r'(\w+)="?([^",]+)"?', header.removeprefix("Digest ")))
    if parts.get("username") != "public" or parts.get("uri") != path:
        return False

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    secret, request = md5("public:tidb.cloud:private"), md5(f"GET:{path}")
    middle = f"{parts['nonce']}:{parts['nc']}:{parts['cnonce']}:{parts['qop']}"
    return parts["response"] == md5(f"{secret}:{middle}:{request}")


@pytest.fixture
def api() -> Iterator[str]:
    with HttpServer(_api) as server:
        yield f"{server.url}/v1beta1"


def test_the_double_takes_another_client(api: str) -> None:
    """Another implementation of digest authentication agrees with the double."""
    good = requests.get(f"{api}/clusters/ready", auth=HTTPDigestAuth("public", "private"), timeout=10)
    assert good.json()["state"] == "ACTIVE"
    bad = requests.get(f"{api}/clusters/ready", auth=HTTPDigestAuth("public", "other"), timeout=10)
    assert bad.status_code == 401


def test_a_clusters_endpoint_is_found(api: str) -> None:
    cluster = TidbCloud(api, "public", "private", Options()).cluster("ready")
    assert (cluster.account, cluster.endpoint) == ("3Fx.root", "https://qdrant-gw.tidb.test")


def test_a_cluster_that_is_not_ready_is_unavailable(api: str) -> None:
    with pytest.raises(Unavailable, match="CREATING"):
        TidbCloud(api, "public", "private", Options()).cluster("young")


def test_a_wrong_key_is_refused_and_not_shown(api: str) -> None:
    environment = {
        "VECTOR_STORE": "tidb_on_qdrant",
        "TIDB_CLUSTER_ID": "ready",
        "TIDB_API_URL": api,
        "TIDB_PUBLIC_KEY": "public",
        "TIDB_PRIVATE_KEY": "wrong-secret",
    }
    store = vector.open("env:", environment)
    with pytest.raises(PermissionDenied) as refused:
        store.collections()
    assert "wrong-secret" not in f"{refused.value} {refused.value!r} {store!r}"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidInput, match="TIDB_ON_QDRANT_URL"):
        vector.open("env:", {"VECTOR_STORE": "tidb_on_qdrant"})
    with pytest.raises(InvalidInput, match="TIDB_CLUSTER_ID"):
        vector.open("env:", {"VECTOR_STORE": "tidb_on_qdrant", "TIDB_CLUSTER_ID": "ready"})
