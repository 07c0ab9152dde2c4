"""Temporary keys of Ceph's gateway, with any expiry: its STS gives none shorter than fifteen minutes.

A session token of Ceph is its content, encrypted with `rgw sts key` (AES-128-CBC with the fixed vector of
Ceph's auth/Crypto.cc), as base64. So those who know the key can set the moment of its end, and it is the
gateway itself that finds the token expired.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from servers.ceph import Ceph

VECTOR = b"cephsageyudagreg"
EXPIRY = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary keys. expires: as the gateway sees it."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expires: datetime


def client(ceph: Ceph, service: str) -> Any:
    """Amazon's SDK, pointed at the gateway, with the owner's keys."""
    return boto3.client(
        service,
        endpoint_url=ceph.url,
        region_name=ceph.region,
        aws_access_key_id=ceph.owner.access_key,
        aws_secret_access_key=ceph.owner.secret_key,
        config=Config(proxies={}, retries={"total_max_attempts": 3}),
    )


def allow_sessions(ceph: Ceph) -> None:
    """Without a policy of its own not even the owner of everything may ask the gateway for a session."""
    may = {"Effect": "Allow", "Action": ["sts:GetSessionToken", "s3:*"], "Resource": ["arn:aws:s3:::*"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    client(ceph, "iam").put_user_policy(
        UserName=ceph.owner.name, PolicyName="sessions", PolicyDocument=document
    )


def session(ceph: Ceph, expires: datetime | None = None) -> Session:
    """Keys of the owner from the gateway's STS; those that end at another moment when one is given."""
    allow_sessions(ceph)
    found = client(ceph, "sts").get_session_token(DurationSeconds=900)["Credentials"]
    token = found["SessionToken"]
    if expires is not None:
        token = ending_at(token, ceph.sts_key, expires)
    return Session(found["AccessKeyId"], found["SecretAccessKey"], token, expires or found["Expiration"])


def ending_at(token: str, key: str, expires: datetime) -> str:
    """The same token with another end."""
    cipher = Cipher(AES(key.encode()), CBC(VECTOR))
    decryptor, unpadder = cipher.decryptor(), PKCS7(128).unpadder()
    padded = decryptor.update(base64.b64decode(token)) + decryptor.finalize()
    plain = unpadder.update(padded) + unpadder.finalize()
    # The first moment in it is the expiry; a later one is when it was issued.
    found = EXPIRY.search(plain)
    assert found, "the token of this Ceph has another form"
    moment = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    end = (moment + "." + "0" * 12)[: len(found[0]) - 1] + "Z"
    changed = plain.replace(found[0], end.encode(), 1)
    encryptor, padder = cipher.encryptor(), PKCS7(128).padder()
    padded = padder.update(changed) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
