"""Object storage: thirteen types behind one contract.

::

    from cloudberth import storage

    with storage.open() as bucket:  # Dify's own variables: STORAGE_TYPE, S3_BUCKET_NAME, …
        bucket.save("reports/2026.pdf", Path("2026.pdf"))
        for info in bucket.list("reports/"):
            print(info.key, info.size)

`open` reads the environment, or any mapping (a parsed ``.env``). `open_async` gives the same with methods to
await. Nothing of any vendor is imported before a bucket of that vendor is opened.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloudberth.storage.contract import (
    Attributes,
    Backend,
    BucketFacts,
    Capabilities,
    Condition,
    Listing,
    ObjectInfo,
    Page,
    Part,
    PendingUpload,
    Prefix,
    SignedRequest,
    Span,
    StorageClass,
    Written,
)
from cloudberth.storage.keys import InvalidKey
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage

if TYPE_CHECKING:
    from cloudberth.storage.asynchronous import AsyncStorage

__all__ = [
    "Attributes",
    "Backend",
    "BucketFacts",
    "Capabilities",
    "Condition",
    "InvalidKey",
    "Listing",
    "ObjectInfo",
    "Options",
    "Page",
    "Part",
    "PendingUpload",
    "Prefix",
    "SignedRequest",
    "Span",
    "Storage",
    "StorageClass",
    "Written",
    "open",
    "open_async",
]


def open(environment: Mapping[str, str] | None = None, options: Options = Options()) -> Storage:
    """The bucket that Dify's variables name. Makes no request; `Storage.check` does.

    environment: this process's by default. STORAGE_TYPE chooses the type; without it, `opendal` (a folder),
    as in Dify. Raises InvalidInput naming the variable that is missing or wrong.
    """
    from cloudberth.storage.registry import backend_class

    variables = os.environ if environment is None else environment
    kind = backend_class(variables.get("STORAGE_TYPE", "").strip() or "opendal")
    settings = kind.settings.from_environment(variables)
    return Storage(kind.open(settings, options), options, prefix=settings.prefix)


def open_async(environment: Mapping[str, str] | None = None, options: Options = Options()) -> AsyncStorage:
    """The same bucket with awaitable methods."""
    from cloudberth.storage.asynchronous import AsyncStorage

    return AsyncStorage(open(environment, options))
