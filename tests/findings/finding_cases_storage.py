"""Plans for the rules about object storage, disks and file systems."""

from __future__ import annotations

import json
from typing import Any

from finding_plans import case, resource, sample

BUCKET = resource("aws_s3_bucket.files", bucket="dify-files", unknown={"id": True})
LOGS = resource("aws_s3_bucket.files", bucket="dify-access-logs", unknown={"id": True})


def belonging(kind: str, **values: Any) -> Any:
    unknown = {"bucket": True} | values.pop("unknown", {})
    return resource(f"{kind}.a", unknown=unknown, references=["aws_s3_bucket.files"], **values)


def rules(*entries: dict[str, Any], **more: Any) -> Any:
    return belonging(
        "aws_s3_bucket_lifecycle_configuration",
        rule=[{"status": "Enabled"} | entry for entry in entries],
        **more,
    )


def statement(**parts: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [parts]})


TLS_ONLY = statement(
    Effect="Deny",
    Principal="*",
    Action="s3:*",
    Resource="*",
    Condition={"Bool": {"aws:SecureTransport": "false"}},
)
TLS_ONLY_BUT = statement(
    Effect="Deny",
    NotPrincipal={"AWS": "arn:aws:iam::1:role/audit"},
    Action="s3:*",
    Resource="*",
    Condition={"BoolIfExists": {"AWS:SecureTransport": ["false"]}},
)
case(
    "storage.public-acl",
    reported=[
        sample(resource("aws_s3_bucket_acl.a", acl="public-read")),
        sample(resource("aws_s3_bucket.a", acl="public-read-write")),
    ],
    silent=[sample(resource("aws_s3_bucket_acl.a", acl="private")), sample(BUCKET)],
)
case(
    "storage.public-policy",
    reported=[
        sample(
            resource(
                "aws_s3_bucket_policy.a",
                policy=statement(Effect="Allow", Principal={"AWS": "*"}, Action="s3:GetObject", Resource="*"),
            )
        )
    ],
    silent=[
        sample(resource("aws_s3_bucket_policy.a", policy=TLS_ONLY)),
        sample(
            resource(
                "aws_s3_bucket_policy.a",
                policy=statement(
                    Effect="Allow",
                    Principal="*",
                    Action="s3:GetObject",
                    Resource="*",
                    Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}},
                ),
            )
        ),
        sample(resource("aws_s3_bucket_policy.a", unknown={"policy": True})),
    ],
)
SWITCHES = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
GUARD = belonging("aws_s3_bucket_public_access_block", **dict.fromkeys(SWITCHES, True))
case(
    "storage.public-access-allowed",
    reported=[
        sample(
            belonging(
                "aws_s3_bucket_public_access_block",
                **(dict.fromkeys(SWITCHES, True) | {"block_public_policy": False}),
            )
        ),
        sample(belonging("aws_s3_bucket_public_access_block", block_public_acls=True)),
    ],
    silent=[
        sample(GUARD),
        sample(
            LOGS,
            belonging(
                "aws_s3_bucket_public_access_block",
                block_public_policy=True,
                restrict_public_buckets=True,
                block_public_acls=False,
            ),
        ),
    ],
)
case(
    "storage.public-access-guard-missing",
    reported=[sample(BUCKET)],
    silent=[sample(BUCKET, GUARD), sample(BUCKET, resource("aws_s3_account_public_access_block.a"))],
)
case(
    "storage.tls-not-required",
    reported=[
        sample(BUCKET),
        sample(
            BUCKET,
            belonging(
                "aws_s3_bucket_policy",
                policy=statement(
                    Effect="Allow",
                    Principal={"AWS": "arn:aws:iam::1:root"},
                    Action="s3:GetObject",
                    Resource="*",
                ),
            ),
        ),
    ],
    silent=[
        sample(BUCKET, belonging("aws_s3_bucket_policy", policy=TLS_ONLY)),
        sample(BUCKET, belonging("aws_s3_bucket_policy", policy=TLS_ONLY_BUT)),
        sample(BUCKET, belonging("aws_s3_bucket_policy", unknown={"policy": True})),
        sample(BUCKET, resource("aws_s3_bucket_policy.a", unknown={"bucket": True, "policy": True})),
    ],
)


def versioning(status: str) -> Any:
    return belonging("aws_s3_bucket_versioning", versioning_configuration=[{"status": status}])


case(
    "storage.versioning-off",
    reported=[
        sample(BUCKET),
        sample(BUCKET, versioning("Suspended")),
        sample(BUCKET, resource("aws_cloudfront_distribution.a", references=["aws_s3_bucket.files"])),
    ],
    silent=[
        sample(BUCKET, versioning("Enabled")),
        sample(LOGS),
        sample(resource("aws_s3_bucket.old", versioning=[{"enabled": True}])),
        sample(
            resource("aws_s3_bucket.target"),
            resource("aws_lb.a", references=["aws_s3_bucket.target"]),
        ),
    ],
)
ABORT = {"abort_incomplete_multipart_upload": [{"days_after_initiation": 7}]}
case(
    "storage.unfinished-uploads-kept",
    reported=[
        sample(BUCKET),
        sample(BUCKET, rules({"id": "x"})),
        sample(BUCKET, rules(ABORT | {"status": "Disabled"})),
        sample(resource("aws_s3_bucket.old", lifecycle_rule=[{"enabled": True, "prefix": "tmp/"}])),
    ],
    silent=[
        sample(BUCKET, rules(ABORT)),
        sample(BUCKET, belonging("aws_s3_bucket_lifecycle_configuration", unknown={"rule": True})),
        sample(
            resource(
                "aws_s3_bucket.old",
                lifecycle_rule=[{"enabled": True, "abort_incomplete_multipart_upload_days": 3}],
            )
        ),
    ],
)
case(
    "storage.versions-forever",
    reported=[sample(BUCKET, versioning("Enabled")), sample(BUCKET, versioning("Enabled"), rules(ABORT))],
    silent=[
        sample(
            BUCKET,
            versioning("Enabled"),
            rules({"noncurrent_version_expiration": [{"noncurrent_days": 30}]}),
        ),
        sample(BUCKET, versioning("Suspended")),
    ],
)


def move(tier: str, days: int, **filters: Any) -> dict[str, Any]:
    return {"transition": [{"days": days, "storage_class": tier}], "filter": [filters] if filters else []}


case(
    "storage.transition-too-early",
    reported=[sample(rules(move("STANDARD_IA", 7)))],
    silent=[
        sample(rules(move("STANDARD_IA", 30))),
        sample(rules(move("GLACIER_IR", 1))),
        sample(rules(move("STANDARD_IA", 7) | {"status": "Disabled"})),
    ],
)
case(
    "storage.small-objects-moved",
    reported=[
        sample(rules(move("STANDARD_IA", 30, object_size_greater_than=1024))),
        sample(
            rules(move("STANDARD_IA", 30), transition_default_minimum_object_size="varies_by_storage_class")
        ),
    ],
    silent=[
        sample(rules(move("STANDARD_IA", 30))),
        sample(rules(move("STANDARD_IA", 30, object_size_greater_than=131072))),
        sample(rules(move("DEEP_ARCHIVE", 30, object_size_greater_than=1024))),
    ],
)
case(
    "storage.live-objects-go-offline",
    reported=[sample(BUCKET, rules(move("GLACIER", 90)))],
    silent=[
        sample(BUCKET, rules(move("GLACIER_IR", 90))),
        sample(LOGS, rules(move("GLACIER", 90))),
    ],
)
EXPIRE = {"expiration": [{"days": 365}]}
case(
    "storage.live-objects-expire",
    reported=[sample(BUCKET, rules(EXPIRE)), sample(BUCKET, rules(EXPIRE | {"filter": [{"prefix": ""}]}))],
    silent=[
        sample(BUCKET, rules(EXPIRE | {"filter": [{"prefix": "ops_trace/"}]})),
        sample(LOGS, rules(EXPIRE)),
        sample(BUCKET, rules({"expiration": [{"expired_object_delete_marker": True}]})),
        sample(BUCKET, rules(EXPIRE | {"filter": [{"tag": [{"key": "kind", "value": "scratch"}]}]})),
        sample(BUCKET, rules(EXPIRE | {"filter": [{"and": [{"tags": {"kind": "scratch"}}]}]})),
    ],
)
case(
    "storage.force-destroy",
    reported=[sample(resource("aws_s3_bucket.files", bucket="dify-files", force_destroy=True))],
    silent=[
        sample(BUCKET),
        sample(resource("aws_s3_bucket.files", bucket="dify-access-logs", force_destroy=True)),
    ],
)
case(
    "storage.filesystem-unencrypted",
    reported=[sample(resource("aws_efs_file_system.a", encrypted=False))],
    silent=[
        sample(resource("aws_efs_file_system.a", encrypted=True)),
        sample(resource("aws_efs_file_system.a", unknown={"encrypted": True})),
    ],
)
VOLUME = resource("aws_ebs_volume.data", size=50, encrypted=True)
case(
    "storage.volume-without-backup",
    reported=[sample(VOLUME)],
    silent=[sample(VOLUME, resource("aws_dlm_lifecycle_policy.a"))],
)
case(
    "storage.acls-in-use",
    reported=[
        sample(belonging("aws_s3_bucket_ownership_controls", rule=[{"object_ownership": "ObjectWriter"}]))
    ],
    silent=[
        sample(
            belonging("aws_s3_bucket_ownership_controls", rule=[{"object_ownership": "BucketOwnerEnforced"}])
        )
    ],
)


def cors(origin: str, *methods: str) -> Any:
    entry = {"allowed_origins": [origin], "allowed_methods": list(methods)}
    return belonging("aws_s3_bucket_cors_configuration", cors_rule=[entry])


case(
    "storage.cors-for-anybody",
    reported=[sample(cors("*", "GET", "PUT"))],
    silent=[sample(cors("*", "GET")), sample(cors("https://dify.example.com", "PUT"))],
)


def mounted(**settings: str) -> Any:
    volume = {"name": "plugins", "efs_volume_configuration": [{"file_system_id": "fs-1"} | settings]}
    return resource("aws_ecs_task_definition.a", volume=[volume])


case(
    "storage.filesystem-transit-plain",
    reported=[sample(mounted()), sample(mounted(transit_encryption="DISABLED"))],
    silent=[
        sample(mounted(transit_encryption="ENABLED")),
        sample(resource("aws_ecs_task_definition.a", volume=[{"name": "x"}])),
    ],
)
