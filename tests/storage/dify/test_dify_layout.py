"""Which key is what, and whose key pair is whose."""

from __future__ import annotations

import re

import pytest
from dify_installation import key_pair
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.storage.contract import ObjectInfo
from cloudberth.storage.dify.checking import joined
from cloudberth.storage.dify.database import Reference
from cloudberth.storage.dify.layout import KINDS, UNKNOWN, Criticality, census, kind_of
from cloudberth.storage.dify.tenant_keys import KeyState, key_state

UUID = "0b1f7e9c-1111-4222-8333-444455556666"


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (f"privkeys/{UUID}/private.pem", "privkeys"),
        (".dify_secret_key", "secret key"),
        (f"upload_files/{UUID}/a.pdf", "upload_files"),
        (f"tools/{UUID}/a", "tools"),
        (f"image_files/{UUID}/x/y.png", "image_files"),
        ("website_files/job.txt", "website_files"),
        (f"keyword_files/{UUID}/{UUID}.txt", "keyword_files"),
        (f"ops_trace/{UUID}/{UUID}.json", "ops_trace"),
        ("triggers/r.raw", "triggers"),
        ("triggers/r.payload", "triggers"),
        (f"datasources/{UUID}/file", "datasources"),
        (f"telemetry/{UUID}/e.json", "telemetry"),
        (f"workflow-state-{UUID}.json", "workflow state"),
        ("free_plan_tenant_expired_logs/a/b", "free plan logs"),
        ("upload_files\n/x", "unknown"),
        ("upload_files/with\nnewline", "upload_files"),
        ("upload_files", "unknown"),
        ("upload_files/", "unknown"),
        ("upload_files2/a", "unknown"),
        ("privkeys/a/other.pem", "unknown"),
        ("x/.dify_secret_key", "unknown"),
        ("workflow-state-1.json", "unknown"),
        ("/upload_files/a", "unknown"),
    ],
)
def test_a_key_is_of_its_kind(key: str, kind: str) -> None:
    assert kind_of(key).name == kind


@given(st.text(min_size=1, max_size=60) | st.from_regex(r"[a-z_]{3,14}/.*", fullmatch=True))
def test_every_key_has_exactly_one_kind(key: str) -> None:
    fitting = [kind for kind in KINDS if re.fullmatch(kind.pattern, key, re.DOTALL)]
    assert [kind_of(key)] == (fitting or [UNKNOWN])


def test_what_dify_s_own_command_leaves_out_is_known() -> None:
    left = {kind.name for kind in KINDS if not kind.dify_moves}
    assert left == {
        "secret key", "datasources", "triggers", "workflow state", "telemetry", "free plan logs",
    }  # fmt: skip


def test_a_census_counts_objects_and_bytes() -> None:
    keys = [("upload_files/a", 3), ("upload_files/b", 4), ("zzz", 5), (".dify_secret_key", 1)]
    found = census(ObjectInfo(key, size) for key, size in keys)
    assert [(kind.name, tally.objects, tally.bytes) for kind, tally in found.rows] == [
        ("secret key", 1, 1),
        ("upload_files", 2, 7),
        ("unknown", 1, 5),
    ]
    assert (found.total.objects, found.total.bytes, found.unknown) == (4, 13, ["zzz"])
    assert found.rows[0][0].criticality is Criticality.CRITICAL


def test_a_key_pair_fits_or_not() -> None:
    private, public = key_pair(0)
    assert key_state(private, public) is KeyState.GOOD
    assert key_state(private, f"  {public}\n") is KeyState.GOOD
    assert key_state(private, key_pair(1)[1]) is KeyState.FOREIGN
    assert key_state(None, public) is KeyState.MISSING
    assert key_state(None, None) is KeyState.NO_PUBLIC_KEY
    assert key_state(private, "no key") is KeyState.PUBLIC_UNREADABLE
    assert key_state(private[:-60], public) is KeyState.UNREADABLE


def test_a_private_key_as_dify_s_library_writes_it_is_read() -> None:
    """Dify makes keys with PyCryptodome, whose `export_key()` is PKCS #1; other tools write PKCS #8."""
    from cryptography.hazmat.primitives import serialization

    private, public = key_pair(0)
    assert private.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    key = serialization.load_pem_private_key(private, None)
    eight = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert key_state(eight, public) is KeyState.GOOD


def test_a_key_of_another_kind_is_no_rsa_key() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert key_state(curve, key_pair(0)[1]) is KeyState.UNREADABLE


@given(
    st.lists(st.text(min_size=1, max_size=3), max_size=30),
    st.sets(st.text(min_size=1, max_size=3), max_size=30),
)
def test_rows_and_objects_are_joined_whatever_they_are(rows: list[str], objects: set[str]) -> None:
    rows = [key for key in rows if key.isprintable()] + sorted(objects)[:5]
    ordered = sorted(rows)
    pairs = list(
        joined(
            (Reference("upload_files", str(number), key) for number, key in enumerate(ordered)),
            (ObjectInfo(key, 1) for key in sorted(objects)),
        )
    )
    assert [reference.key for reference, _ in pairs] == ordered
    for reference, info in pairs:
        assert (info.key if info else None) == (reference.key if reference.key in objects else None)
