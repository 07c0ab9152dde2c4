"""Storage classes: our tiers under the vendor's names, on every way of writing."""

from __future__ import annotations

import pytest
from storage_cases import PART, Lacks, content

from cloudberth.storage.contract import StorageClass
from cloudberth.storage.storage import Storage

# Those that can be read at once; an archive has to be thawed first.
AT_ONCE = [StorageClass.STANDARD, StorageClass.INFREQUENT, StorageClass.COLD]


@pytest.mark.parametrize("tier", AT_ONCE)
def test_an_object_is_in_the_class_that_was_asked(storage: Storage, lacks: Lacks, tier: StorageClass) -> None:
    if tier not in storage.capabilities.classes:
        with lacks(f"storage class {tier}"):
            storage.save("a", b"x", storage_class=tier)
        return
    name = storage.capabilities.classes[tier]
    storage.save("a", b"x", storage_class=tier)
    storage.save("large", content(2 * PART + 1), storage_class=tier)
    for key in ("a", "large"):
        assert storage.head(key).attributes.storage_class == name
    assert storage.load("a") == b"x"


@pytest.mark.parametrize("tier", [StorageClass.ARCHIVE, StorageClass.DEEP_ARCHIVE])
def test_an_archived_object_is_there(storage: Storage, lacks: Lacks, tier: StorageClass) -> None:
    if tier not in storage.capabilities.classes:
        with lacks(f"storage class {tier}"):
            storage.save("a", b"x", storage_class=tier)
        return
    storage.save("a", b"x", storage_class=tier)
    assert storage.head("a").attributes.storage_class == storage.capabilities.classes[tier]
    assert [info.key for info in storage.list()] == ["a"]
    storage.delete("a")


def test_the_vendors_own_name_is_taken_too(storage: Storage, lacks: Lacks) -> None:
    if not storage.capabilities.classes:
        with lacks("storage classes"):
            storage.save("a", b"x", storage_class="infrequent")
        return
    tier, name = next(iter(storage.capabilities.classes.items()))
    storage.save("a", b"x", storage_class=name)
    assert storage.head("a").attributes.storage_class == storage.capabilities.classes[tier]
