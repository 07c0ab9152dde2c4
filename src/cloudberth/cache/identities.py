"""Passwords that a cloud gives for an identity, each for minutes: AWS IAM, Microsoft Entra, Google IAM.

- Amazon ElastiCache and MemoryDB: a signed URL (Signature Version 4) without its scheme, good for 15 minutes
  to sign in with; a connection that is signed in lives for 12 hours.
  https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
- Azure Managed Redis and Azure Cache for Redis: a bearer token for ``https://redis.azure.com/.default``, user
  name is the object id of the identity; the server ends the connection when the token expires.
  https://learn.microsoft.com/azure/redis/entra-for-authentication
- Google Memorystore for Redis Cluster and Valkey: an access token, user name ``default``.
  https://cloud.google.com/memorystore/docs/cluster/about-iam-auth

Not proved live: tests hold them to a real server whose password is the token, and the signature to our own
implementation.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from cloudberth.cache.settings import RedisSettings
from cloudberth.errors import CloudberthError, InvalidInput, PermissionDenied, Unavailable
from cloudberth.extras import late_import

AZURE_SCOPE = "https://redis.azure.com/.default"
GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_AWS_SECONDS = 900
_AWS_CONNECTION_SECONDS = 12 * 3600 - 600


@dataclass(frozen=True, slots=True)
class Token:
    """A password for a while. expires: seconds since 1970, to sign in with. connection_seconds: how long a
    connection that signed in with it may be used; None: as long as the token.
    """

    username: str
    password: str = field(repr=False)
    expires: float = 0.0
    connection_seconds: float | None = None


Fetch = Callable[[], Token]


class RotatingCredentials:
    """What redis-py asks for user name and password before every new connection. Thread-safe.

    margin: seconds before the expiry at which a new token is fetched; until then a failure to is no error.
    """

    def __init__(self, fetch: Fetch, margin: float = 180.0, clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._margin = margin
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._connections_since = clock()

    def token(self) -> Token:
        """One that holds. Raises PermissionDenied, Unavailable or InvalidInput."""
        current = self._token
        if current is not None and self._clock() < current.expires - self._margin:
            return current
        with self._lock:
            current = self._token
            if current is not None and self._clock() < current.expires - self._margin:
                return current
            try:
                self._token = self._fetch()
            except CloudberthError:
                if current is None or current.expires <= self._clock():
                    raise
                return current
            return self._token

    def forget(self) -> None:
        """The server refused it: the next one is fetched."""
        with self._lock:
            self._token = None

    def connections_are_old(self) -> bool:
        """Whether connections that are open have to sign in again; tells it once for each time."""
        current = self._token
        if current is None:
            return False
        lifetime = current.connection_seconds
        due = current.expires - self._margin if lifetime is None else self._connections_since + lifetime
        if self._clock() < due:
            return False
        with self._lock:
            if current is not self._token:
                return False  # another thread was here first
            self._connections_since = self._clock()
        if lifetime is None:
            self.token()
        return True

    def get_credentials(self) -> tuple[str, str]:
        token = self.token()
        return token.username, token.password

    async def get_credentials_async(self) -> tuple[str, str]:
        return self.get_credentials()


def fetch_for(settings: RedisSettings) -> Fetch | None:
    """How tokens are had for these settings; None: a password, or nothing, is enough."""
    match settings.signed_in_by:
        case "aws":
            return aws_tokens(settings)
        case "azure":
            return azure_tokens(settings.username)
        case "google":
            return google_tokens(settings.username)
    return None


def aws_tokens(settings: RedisSettings) -> Fetch:
    """Tokens signed with whatever boto3 finds: variables, profile, role of the machine or the pod."""
    sessions: list[Any] = []

    def fetch() -> Token:
        boto3 = late_import("boto3", extra="aws", needed_for="REDIS_IDENTITY=aws")
        signers = late_import("botocore.signers", extra="aws", needed_for="REDIS_IDENTITY=aws")
        model = late_import("botocore.model", extra="aws", needed_for="REDIS_IDENTITY=aws")
        if not sessions:
            sessions.append(boto3.session.Session())
        session = sessions[0]
        region = settings.aws_region or session.region_name
        credentials = session.get_credentials()
        if not region:
            raise InvalidInput("no region is known", where="REDIS_AWS_REGION")
        if credentials is None:
            raise PermissionDenied("no AWS credentials are found", where="REDIS_IDENTITY=aws")
        service = settings.aws_service
        signer = signers.RequestSigner(
            model.ServiceId(service), region, service, "v4", credentials, session.events
        )
        query = {"Action": "connect", "User": settings.username}
        if settings.aws_serverless:
            query["ResourceType"] = "ServerlessCache"
        request = {
            "method": "GET", "url": f"https://{settings.aws_cache}/?{urlencode(query)}",
            "body": {}, "headers": {}, "context": {},
        }  # fmt: skip
        signed = signer.generate_presigned_url(
            request, operation_name="connect", expires_in=_AWS_SECONDS, region_name=region
        )
        text = signed.removeprefix("https://")
        return Token(settings.username, text, time.time() + _AWS_SECONDS, _AWS_CONNECTION_SECONDS)

    return fetch


def azure_tokens(username: str) -> Fetch:
    """Tokens of what azure-identity finds. username: object id; empty: the token's own (claim ``oid``)."""
    chain: list[Any] = []

    def fetch() -> Token:
        library = late_import("azure.identity", extra="azure", needed_for="Microsoft Entra on Redis")
        errors = late_import("azure.core.exceptions", extra="azure", needed_for="Microsoft Entra on Redis")
        if not chain:
            chain.append(library.DefaultAzureCredential())
        try:
            token = chain[0].get_token(AZURE_SCOPE)
        except errors.ClientAuthenticationError as error:
            raise PermissionDenied(
                f"no identity of Microsoft Entra gives a token: {str(error).partition(chr(10))[0][:200]}",
                where="azure-identity",
                hint="assign a managed identity to this machine, or set AZURE_CLIENT_ID and the like",
            ) from None
        except errors.AzureError as error:
            raise Unavailable(
                f"Microsoft Entra cannot be asked: {str(error)[:200]}", where="azure-identity"
            ) from None
        return Token(username or object_id(token.token), token.token, float(token.expires_on))

    return fetch


def object_id(token: str) -> str:
    """The claim ``oid`` of a token (a JWT); it is read, not verified: the server does that."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["oid"])
    except (IndexError, KeyError, TypeError, ValueError):
        raise InvalidInput(
            "the token does not say whose it is", where="REDIS_USERNAME", hint="set it to the object id"
        ) from None


def google_tokens(username: str) -> Fetch:
    """Access tokens of what google-auth finds."""
    found: list[Any] = []

    def fetch() -> Token:
        auth = late_import("google.auth", extra="google", needed_for="REDIS_IDENTITY=google")
        transport = late_import("google.auth.transport.requests", extra="google", needed_for="Google IAM")
        errors = late_import("google.auth.exceptions", extra="google", needed_for="Google IAM")
        try:
            if not found:
                found.append(auth.default(scopes=[GOOGLE_SCOPE])[0])
            found[0].refresh(transport.Request())
        except errors.DefaultCredentialsError as error:
            raise PermissionDenied(
                f"no Google credentials: {str(error)[:200]}", where="google-auth"
            ) from None
        except errors.GoogleAuthError as error:
            raise Unavailable(f"Google cannot be asked: {str(error)[:200]}", where="google-auth") from None
        expiry = found[0].expiry
        until = expiry.timestamp() if expiry.tzinfo else expiry.replace(tzinfo=_utc()).timestamp()
        return Token(username or "default", found[0].token, until)

    return fetch


def _utc() -> Any:
    from datetime import UTC

    return UTC
