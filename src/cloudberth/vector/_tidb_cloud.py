"""TiDB Cloud's API of Serverless clusters: where the Qdrant endpoint of one is, and who logs in.

Source: the requests of Dify 1.15 (its providers/vdb, `tidb_service.py`): ``GET {api}/clusters/{id}`` under
digest authentication; the endpoint is ``https://qdrant-`` before the public host of the cluster. Not proved
live.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cloudberth.errors import PermissionDenied, Unavailable
from cloudberth.storage.body import EMPTY
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import error_of
from cloudberth.storage.http.message import Origin, Request, encode
from cloudberth.storage.options import Options as HttpOptions
from cloudberth.vector.options import Options

_PART = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Cluster:
    """state: ``ACTIVE`` when it can be used. account: ``prefix.root``. endpoint: of Qdrant, or empty."""

    state: str
    account: str
    endpoint: str


class TidbCloud:
    """url: of the API, with its version (``https://serverless.tidbapi.com/v1beta1``)."""

    def __init__(self, url: str, public_key: str, private_key: str, options: Options) -> None:
        self.origin = Origin.parse(url)
        self.base = urlsplit(url if "://" in url else f"https://{url}").path.rstrip("/")
        self._keys = (public_key, private_key)
        self._client = Client(
            HttpOptions(connect_timeout=min(5.0, options.timeout), read_timeout=options.timeout)
        )

    def __repr__(self) -> str:
        return f"TidbCloud({self.origin}{self.base})"

    def cluster(self, id: str) -> Cluster:
        """What a cluster is. Raises Unavailable while it is not ready."""
        found = self._get(f"/clusters/{encode(id)}")
        host = ((found.get("endpoints") or {}).get("public") or {}).get("host") or ""
        prefix = found.get("userPrefix") or ""
        cluster = Cluster(
            str(found.get("state", "")),
            f"{prefix}.root" if prefix else "",
            f"https://qdrant-{host}" if host else "",
        )
        if cluster.state != "ACTIVE" or not cluster.endpoint:
            raise Unavailable(f"the cluster is {cluster.state or 'not ready'}", where=f"TiDB Cloud {id}")
        return cluster

    def close(self) -> None:
        self._client.close()

    def _get(self, path: str) -> dict[str, Any]:
        import json

        target = self.base + path
        response = self._client.send(Request("GET", self.origin, target, body=EMPTY))
        if response.status == 401:
            challenge = response.header("www-authenticate")
            headers = {"authorization": self._digest(challenge, "GET", target)}
            response = self._client.send(Request("GET", self.origin, target, headers=headers, body=EMPTY))
        if response.status != 200:
            message = response.body[:200].decode("utf-8", "replace")
            error = error_of(response, code="", message=message, where="TiDB Cloud", meanings={})
            error.hint = "check TIDB_PUBLIC_KEY, TIDB_PRIVATE_KEY and the id of the cluster"
            raise error
        try:
            found = json.loads(response.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unavailable("the answer is no JSON object", where="TiDB Cloud")
        return found

    def _digest(self, challenge: str, method: str, target: str) -> str:
        """RFC 7616, MD5 or SHA-256, with ``qop=auth``."""
        if not challenge.lower().startswith("digest"):
            raise PermissionDenied("TiDB Cloud asks for another way to log in", where="TiDB Cloud")
        asked = {name.lower(): quoted or bare for name, quoted, bare in _PART.findall(challenge)}
        public, private = self._keys
        algorithm = asked.get("algorithm", "MD5")
        sha = algorithm.upper().startswith("SHA-256")

        def digest(text: str) -> str:
            data = text.encode()
            # The algorithm is the server's choice; the secret itself never travels.
            made = hashlib.sha256(data) if sha else hashlib.md5(data, usedforsecurity=False)
            return made.hexdigest()

        own, count = secrets.token_hex(8), "00000001"
        realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
        secret, request = digest(f"{public}:{realm}:{private}"), digest(f"{method}:{target}")
        answer = digest(f"{secret}:{nonce}:{count}:{own}:auth:{request}")
        parts = {"username": public, "realm": realm, "nonce": nonce, "uri": target, "cnonce": own}
        quoted = ", ".join(f'{name}="{value}"' for name, value in parts.items())
        opaque = f', opaque="{asked["opaque"]}"' if "opaque" in asked else ""
        return f'Digest {quoted}, qop=auth, nc={count}, algorithm={algorithm}, response="{answer}"{opaque}'
