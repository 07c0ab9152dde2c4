"""Settings of OpenDAL: a scheme, and whatever that scheme takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.storage.settings import Settings

PREFIX = "OPENDAL_"
_SECRET = re.compile(
    r"secret|password|token|credential|connection_string|(account|application|access|api)_key$"
)
# What the place of a URL means to a scheme.
_BUCKETS = {
    "azblob": "container",
    "azdls": "filesystem",
    "azfile": "share_name",
    "b2": "bucket",
    "cos": "bucket",
    "gcs": "bucket",
    "obs": "bucket",
    "oss": "bucket",
    "s3": "bucket",
    "swift": "container",
    "tos": "bucket",
    "upyun": "bucket",
}
_OWN = {"scheme", "bucket", "prefix"}


class OpenDalSettings(Settings):
    """Settings of ``opendal``. arguments: the operator's, ``OPENDAL_<SCHEME>_<NAME>`` as in Dify."""

    schemes: ClassVar[tuple[str, ...]] = ()

    bucket: str = Field(default="", description="the place of a URL: the scheme's bucket or container")
    scheme: str = Field(default="fs", alias="OPENDAL_SCHEME", description="one of the services of OpenDAL")
    arguments: Mapping[str, SecretStr] = Field(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: str) -> Self:
        scheme = given.get("scheme") or environment.get("OPENDAL_SCHEME", "").strip() or "fs"
        marker = f"{PREFIX}{scheme.upper().replace('-', '_')}_"
        arguments = {
            name.removeprefix(marker).lower(): value.strip()
            for name, value in environment.items()
            if name.startswith(marker) and value.strip()
        }
        arguments |= {name: value for name, value in given.items() if name not in _OWN}
        bucket = given.get("bucket", "")
        if bucket:
            arguments[cls._name_of_bucket(scheme)] = bucket
        if scheme == "fs":
            arguments.setdefault("root", "storage")
        return cls.checked(
            {"scheme": scheme, "bucket": bucket, "prefix": given.get("prefix", ""), "arguments": arguments}
        )

    @classmethod
    def from_url(
        cls, bucket: str, prefix: str, query: Mapping[str, str], environment: Mapping[str, str]
    ) -> Self:
        scheme = query.get("scheme", "")
        for name in query:
            if _SECRET.search(name):
                raise InvalidInput(
                    f"{name} is a secret, and a location is seen by everybody on this machine",
                    hint=f"set the variable {PREFIX}{scheme.upper()}_{name.upper()}",
                )
        return cls.from_environment(environment, **{**query, "bucket": bucket, "prefix": prefix})

    @classmethod
    def secret_fields(cls) -> frozenset[str]:
        return frozenset({"arguments"})

    @classmethod
    def _name_of_bucket(cls, scheme: str) -> str:
        name = _BUCKETS.get(scheme)
        if name is None:
            raise InvalidInput(
                f"opendal+{scheme}:// has no bucket",
                where=f"opendal+{scheme}",
                hint=f"write opendal+{scheme}:///key?endpoint=… with what OpenDAL's {scheme} takes",
            )
        return name

    @property
    def place(self) -> str:
        """A URL of the bucket, root or server, without anything secret."""
        for name in (_BUCKETS.get(self.scheme, "bucket"), "root", "endpoint"):
            if name in self.arguments:
                found = self.arguments[name].get_secret_value()
                bare = re.sub(r"^\w+://(?:[^/@]*@)?", "", found).partition("?")[0]
                return f"opendal+{self.scheme}://{bare}"
        return f"opendal+{self.scheme}://"
