"""Google Cloud through its REST interfaces, with Application Default Credentials, which Terraform shares.

Bodies: https://cloud.google.com/storage/docs/json_api/v1/buckets/insert,
https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import google.auth
import requests
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession

from cloudberth.errors import BackendError, InvalidInput, Kind, NotFound, PermissionDenied, Unavailable
from cloudberth.infra.cloud.rest import Hints, ask, document, prepared

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# In the order of Terraform's provider.
_PROJECT_VARIABLES = ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")
_SECRET = re.compile(r"projects/[a-z0-9.:-]+/secrets/[A-Za-z0-9_-]{1,255}")
_SIGN_IN_HINT = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
_HINTS = Hints(
    credentials=f"{_SIGN_IN_HINT}; the identity needs rights on the project",
    conflict="bucket names are shared by all of Google Cloud: set another one under `state.bucket`",
)

# What the library remarks on standard error where nobody set up logging, an error here says if it matters.
logging.getLogger("google.auth").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where Google answers. STORAGE_EMULATOR_HOST takes the place of storage, as in Google's own clients."""

    storage: str = "https://storage.googleapis.com"
    secrets: str = "https://secretmanager.googleapis.com"


class GoogleAccount:
    """A project, with the credentials of the environment.

    account: its id; default: the one of the environment, else of the credentials.
    """

    def __init__(
        self,
        region: str,
        account: str | None = None,
        *,
        credentials: Credentials | None = None,
        endpoints: Endpoints | None = None,
    ) -> None:
        self._region = region
        self._account = account
        self._credentials = credentials
        self._endpoints = endpoints or Endpoints()

    def account_id(self) -> str:
        with _mapped("google project"):
            credentials, project = self._identity
        named = (os.environ.get(name) for name in _PROJECT_VARIABLES)
        found = self._account or next(filter(None, named), None) or project or credentials.quota_project_id
        if not found:
            raise PermissionDenied(
                "the credentials name no project",
                where="google project",
                hint="set GOOGLE_CLOUD_PROJECT, or `account` in the deployment file",
            )
        return str(found)

    def default_state_bucket(self, name: str) -> str:
        """<name>-state-<project>. Ids of old projects hold a domain, which is not for a bucket's name."""
        return f"{name}-state-{re.sub('[^a-z0-9-]', '-', self.account_id())}"[:63].rstrip("-")

    def bucket_exists(self, bucket: str) -> bool:
        try:
            self._storage("GET", f"b/{quote(bucket, safe='')}", bucket, {"fields": "name"})
        except NotFound:
            return False
        return True

    def create_state_bucket(self, bucket: str) -> None:
        query = {"project": self.account_id()}
        self._storage("POST", "b", bucket, query, _bucket_body(bucket, self._region))

    def secret(self, identifier: str) -> str:
        """The latest version of projects/PROJECT/secrets/NAME."""
        if not _SECRET.fullmatch(identifier):
            raise InvalidInput(
                f"{identifier!r} is not the id of a secret on Google Cloud",
                hint="it is projects/PROJECT/secrets/NAME",
            )
        where = f"google secret {identifier}"
        address = f"{self._endpoints.secrets}/v1/{identifier}/versions/latest:access"
        with _mapped(where):
            response = ask(self._session, "GET", address, where=where, hints=_HINTS)
        try:
            return base64.b64decode(document(response, where)["payload"]["data"], validate=True).decode()
        except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
            raise BackendError("the entry holds no text", kind=Kind.UNEXPECTED, where=where) from None

    def _storage(
        self,
        method: str,
        path: str,
        bucket: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> None:
        where = f"google bucket {bucket}"
        emulator = os.environ.get("STORAGE_EMULATOR_HOST")
        with _mapped(where):
            # An emulator gets no token of a real account, as with Google's own clients.
            session = prepared(requests.Session()) if emulator else self._session
            address = f"{_base(emulator) if emulator else self._endpoints.storage}/storage/v1/{path}"
            ask(session, method, address, where=where, hints=_HINTS, query=query, body=body)

    @cached_property
    def _identity(self) -> tuple[Any, str | None]:
        """Credentials and their project. Raises GoogleAuthError."""
        if self._credentials is not None:
            return self._credentials, None
        with warnings.catch_warnings():
            # That no quota project is set; where one is needed, Google says so in its answer.
            warnings.simplefilter("ignore", UserWarning)
            credentials, project = google.auth.default(scopes=[_SCOPE], quota_project_id=self._account)
        return credentials, project

    @cached_property
    def _session(self) -> requests.Session:
        return prepared(_authorized(self._identity[0]))


def _authorized(credentials: Any) -> requests.Session:
    # The library has types, but not here.
    make: Callable[..., requests.Session] = AuthorizedSession
    return make(credentials, refresh_timeout=30)


def _base(host: str) -> str:
    return (host if "://" in host else f"http://{host}").rstrip("/")


def _bucket_body(bucket: str, region: str) -> dict[str, Any]:
    """Encrypted at rest and TLS only, as every bucket is; private, versioned, old states for ninety days."""
    return {
        "name": bucket,
        "location": region,
        "iamConfiguration": {
            "uniformBucketLevelAccess": {"enabled": True},
            "publicAccessPrevention": "enforced",
        },
        "versioning": {"enabled": True},
        "lifecycle": {
            "rule": [
                {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 90}},
                {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}},
            ]
        },
    }


@contextmanager
def _mapped(where: str) -> Iterator[None]:
    """Errors of the sign-in become ours."""
    try:
        yield
    except TransportError:
        raise Unavailable(
            "the sign-in of Google does not answer", where=where, hint="check the network, then try again"
        ) from None
    except GoogleAuthError as error:
        why = next(iter(str(error.args[0] if error.args else error).strip().splitlines()), "")
        raise PermissionDenied(
            f"no usable Google credentials: {why}", where=where, hint=_SIGN_IN_HINT
        ) from None
