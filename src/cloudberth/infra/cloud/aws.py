"""AWS through boto3, with the credential chain that boto3 and Terraform share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from cloudberth.errors import BackendError, Kind, NotFound, PermissionDenied, Unavailable

_DENIED = {
    "403", "AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
    "InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip
_ABSENT = {"404", "NoSuchBucket", "NotFound", "ResourceNotFoundException"}
_THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "SlowDown",
    "RequestLimitExceeded",
    "TooManyRequestsException",
}
_CREDENTIALS_HINT = "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws sso login`"


class AwsAccount:
    """The account that the environment's credentials belong to; account: the id that it must have."""

    def __init__(self, region: str, account: str | None = None) -> None:
        self._region = region
        self._account = account
        self._config = Config(
            region_name=region,
            connect_timeout=10,
            read_timeout=30,
            retries={"max_attempts": 4, "mode": "standard"},
        )

    def _client(self, service: str) -> Any:
        # A session of our own: boto3's shared one keeps the credentials that it saw first.
        return boto3.Session().client(service, config=self._config)

    def account_id(self) -> str:
        with _mapped("aws sts"):
            found = str(self._client("sts").get_caller_identity()["Account"])
        if self._account not in (None, found):
            raise PermissionDenied(
                f"the credentials belong to account {found}, and the deployment file names {self._account}",
                where="aws sts",
                hint=_CREDENTIALS_HINT,
            )
        return found

    def default_state_bucket(self, name: str) -> str:
        return f"{name}-state-{self.account_id()}"

    def bucket_exists(self, bucket: str) -> bool:
        try:
            with _mapped(f"aws s3 bucket {bucket}"):
                self._client("s3").head_bucket(Bucket=bucket)
        except NotFound:
            return False
        return True

    def create_state_bucket(self, bucket: str) -> None:
        client = self._client("s3")
        where: dict[str, Any] = {}
        if self._region != "us-east-1":  # the one region that refuses to be named here
            where = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        with _mapped(f"aws s3 bucket {bucket}"):
            client.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced", **where)
            client.put_public_access_block(
                Bucket=bucket,
                PublicAccessBlockConfiguration=dict.fromkeys(
                    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"),
                    True,
                ),
            )
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            client.put_bucket_encryption(
                Bucket=bucket,
                ServerSideEncryptionConfiguration={
                    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
            )
            client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_tls_only(bucket, self._partition())))
            client.put_bucket_lifecycle_configuration(
                Bucket=bucket,
                LifecycleConfiguration={
                    "Rules": [
                        {
                            "ID": "old-state",
                            "Status": "Enabled",
                            "Filter": {},
                            "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
                            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                        }
                    ]
                },
            )

    def secret(self, identifier: str) -> str:
        with _mapped(f"aws secretsmanager {identifier}"):
            return str(self._client("secretsmanager").get_secret_value(SecretId=identifier)["SecretString"])

    def _partition(self) -> str:
        return str(boto3.Session().get_partition_for_region(self._region))


def _tls_only(bucket: str, partition: str) -> dict[str, Any]:
    arn = f"arn:{partition}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


@contextmanager
def _mapped(where: str) -> Iterator[None]:
    """Vendor errors become ours; the vendor's message is kept, without request identifiers."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise PermissionDenied(
            f"no usable AWS credentials: {error}", where=where, hint=_CREDENTIALS_HINT
        ) from None
    except ClientError as error:
        raise _client_error(error, where) from None
    except BotoCoreError as error:
        raise Unavailable(
            str(error), where=where, hint="check the network and the region, then try again"
        ) from None


def _client_error(error: ClientError, where: str) -> BackendError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    text = str(error.response.get("Error", {}).get("Message") or code)
    if code in _ABSENT:
        return NotFound(text, where=where)
    if code in _DENIED:
        return PermissionDenied(f"{code}: {text}", where=where, hint=_CREDENTIALS_HINT)
    if code in {"BucketAlreadyExists", "BucketAlreadyOwnedByYou"}:
        hint = "bucket names are shared by all of AWS: set another one under `state.bucket`"
        return BackendError(text, kind=Kind.CONFLICT, where=where, hint=hint)
    if code in _THROTTLED:
        return BackendError(text, kind=Kind.RATE_LIMITED, retryable=True, where=where)
    return BackendError(f"{code}: {text}", kind=Kind.UNEXPECTED, where=where)
