"""Settings of google-storage: Dify's two variables, Google's own, and ours for an endpoint and a new
bucket.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.storage.http.message import Origin
from cloudberth.storage.settings import Settings, revealed

PRODUCTION = "https://storage.googleapis.com"


class GoogleSettings(Settings):
    """One bucket.

    Without a service account, application default credentials: GOOGLE_APPLICATION_CREDENTIALS (a service
    account, or workload identity federation), gcloud's, the metadata server of Compute Engine, GKE and
    Cloud Run.
    """

    schemes: ClassVar[tuple[str, ...]] = ("gs",)

    bucket: str = Field(alias="GOOGLE_STORAGE_BUCKET_NAME")
    service_account: SecretStr | None = Field(
        default=None,
        alias="GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64",
        description="the JSON key of a service account, in base64",
    )
    emulator: str | None = Field(
        default=None,
        alias="STORAGE_EMULATOR_HOST",
        description="an emulator instead of Google; no credentials are sent, as by Google's clients",
    )
    endpoint: str | None = Field(
        default=None,
        alias="GOOGLE_STORAGE_ENDPOINT",
        description="another address of the service (Private Service Connect), with credentials",
    )
    project: str | None = Field(
        default=None, alias="GOOGLE_CLOUD_PROJECT", description="of a bucket that is created"
    )
    location: str | None = Field(
        default=None,
        alias="GOOGLE_STORAGE_LOCATION",
        description="of a bucket that is created; US when not set",
    )

    @property
    def origin(self) -> Origin:
        """Where requests go."""
        if self.emulator:
            return Origin.parse(self.emulator if "://" in self.emulator else f"http://{self.emulator}")
        return Origin.parse(self.endpoint or PRODUCTION)

    def account(self) -> Mapping[str, Any] | None:
        """The service account's JSON; None when none is set. Raises InvalidInput, which tells nothing of
        it.
        """
        text = revealed(self.service_account)
        if not text:
            return None
        try:
            # Lines and blanks come with some ways of writing base64 into an .env file.
            found = json.loads(base64.b64decode("".join(text.split()), validate=True))
        except (binascii.Error, ValueError):
            found = None
        if not isinstance(found, dict) or not {"client_email", "private_key", "token_uri"} <= found.keys():
            raise InvalidInput(
                "is no service account's JSON key in base64",
                where="GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64",
                hint="base64 -w0 key.json",
            )
        return found
