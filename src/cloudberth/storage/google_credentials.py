"""Who we are on Google Cloud: a service account's key, or what google-auth finds. Tokens, and who signs URLs.

google-auth does the flows (a JWT for a token, the metadata server, workload identity federation); it is
loaded when the first token is needed. Tokens are kept until five minutes before they end.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from cloudberth.errors import BackendError, ExpiredCredentials, PermissionDenied, Unavailable, Unsupported
from cloudberth.extras import late_import
from cloudberth.storage.body import BytesBody
from cloudberth.storage.credentials import Cached, Credentials
from cloudberth.storage.http.failures import unexpected
from cloudberth.storage.http.message import Origin, Request, Response, encode
from cloudberth.storage.signing.google_v4 import Sign

Send = Callable[[Request], Response | BackendError]
"""Makes one request without the credentials of the bucket."""

FULL_CONTROL = "https://www.googleapis.com/auth/devstorage.full_control"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
IAM = Origin("https", "iamcredentials.googleapis.com", 443)
_HINT = "set GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64, or give this machine a service account"


class GoogleIdentity:
    """Somebody who may do something. account: the JSON key of a service account; None: what google-auth
    finds.

    send, iam: to have IAM sign where no key is here.
    """

    def __init__(self, account: Mapping[str, Any] | None, send: Send, iam: Origin = IAM) -> None:
        self.source = "service account key" if account else "application default credentials"
        self._account = account
        self._send = send
        self._iam = iam
        self._lock = threading.Lock()
        self._found: Any = None
        self._cached = Cached(self._fetch)

    def authorize(self, request: Request) -> None:
        """Put a token on a request."""
        request.headers["authorization"] = f"Bearer {self._cached().secret_key}"

    def signer(self) -> tuple[str, Sign]:
        """The e-mail address of a service account, and what signs with its key.

        Raises Unsupported for identities that are no service account.
        """
        if self._account is not None:
            crypt = late_import("google.auth.crypt", extra="google", needed_for="google-storage")
            key = crypt.RSASigner.from_service_account_info(self._account)
            return str(self._account["client_email"]), key.sign
        self._cached()  # what the metadata server calls the account is known after the first token
        email = getattr(self._found, "service_account_email", None) or ""
        if "@" not in email:
            raise Unsupported(
                "only a service account can sign URLs",
                hint="set GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64, or impersonate a service account",
            )
        return email, lambda data: self._signed_by_iam(email, data)

    def _signed_by_iam(self, email: str, data: bytes) -> bytes:
        """IAM's signBlob: the account needs roles/iam.serviceAccountTokenCreator on itself."""
        path = f"/v1/projects/-/serviceAccounts/{encode(email)}:signBlob"
        body = BytesBody(json.dumps({"payload": base64.b64encode(data).decode()}).encode())
        request = Request("POST", self._iam, path, headers={"content-type": "application/json"}, body=body)
        self.authorize(request)
        answer = self._send(request)
        if isinstance(answer, BackendError):
            raise answer
        try:
            return base64.b64decode(json.loads(answer.body)["signedBlob"])
        except (ValueError, KeyError, TypeError):
            raise unexpected("IAM answered with no signature", where=str(self._iam)) from None

    def _fetch(self) -> Credentials:
        exceptions = late_import("google.auth.exceptions", extra="google", needed_for="google-storage")
        transport = late_import("google.auth.transport.requests", extra="google", needed_for="google-storage")
        try:
            with self._lock:
                request = transport.Request()
                first = self._found is None
                if first:
                    self._found = self._find(request)
                # To look for some identities is to have a token of them already.
                if not (first and self._found.valid):
                    self._found.refresh(request)
        except exceptions.DefaultCredentialsError as error:
            raise PermissionDenied(_line(error), where="google-auth", hint=_HINT) from None
        except exceptions.TransportError as error:
            raise Unavailable(f"no token: {_line(error)}", where="google-auth") from None
        except exceptions.RefreshError as error:
            raise _refused(error) from None
        except (exceptions.GoogleAuthError, ValueError, KeyError, TypeError) as error:
            # Beside its own errors, what google-auth lets through of a bad private key (which says no part of
            # it) and of a metadata server that answers with something else.
            raise PermissionDenied(f"no token: {_line(error)}", where="google-auth", hint=_HINT) from None
        expiry = self._found.expiry
        seconds = expiry.replace(tzinfo=UTC).timestamp() if expiry else None
        return Credentials("", self._found.token, expires=seconds, source=self.source)

    def _find(self, request: Any) -> Any:
        if self._account is not None:
            service = late_import(
                "google.oauth2.service_account", extra="google", needed_for="google-storage"
            )
            return service.Credentials.from_service_account_info(dict(self._account), scopes=[FULL_CONTROL])
        auth = late_import("google.auth", extra="google", needed_for="google-storage")
        found, _ = auth.default(
            scopes=[CLOUD_PLATFORM], request=lambda **call: _unless_project(request, **call)
        )
        return found


@dataclass(frozen=True, slots=True)
class _Nothing:
    """The answer to a question that was not asked."""

    status: int = 404
    data: bytes = b"{}"


def _unless_project(request: Any, url: str, **call: Any) -> Any:
    # google-auth asks the resource manager which project a federated identity is of. Nobody here wants to
    # know, and where that API cannot be reached (VPC Service Controls) it would be the end.
    if url.startswith("https://cloudresourcemanager."):
        return _Nothing()
    return request(url=url, **call)


def _refused(error: Exception) -> BackendError:
    """The error for a token that was not given: the key was deleted, the clock is wrong, the server is
    busy.
    """
    if getattr(error, "retryable", False):
        return Unavailable(f"no token: {_line(error)}", where="google-auth")
    text = _line(error)
    if "expired" in text.lower() or "reasonable timeframe" in text.lower():
        return ExpiredCredentials(text, where="google-auth", hint="log in again; or the clock here is wrong")
    return PermissionDenied(f"no token: {text}", where="google-auth", hint="the key may have been deleted")


def _line(error: Exception) -> str:
    # RefreshError has the answer of the token endpoint as a second argument; the first says enough.
    return " ".join(str(error.args[0] if error.args else error).split())[:200]
