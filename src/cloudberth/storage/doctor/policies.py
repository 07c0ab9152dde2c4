"""What an identity has to be allowed, in each vendor's words, and no more than that.

Written from knowledge of the vendors' action names; not looked up one by one, and not tried in any account.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

# operation of doctor → the right it takes. head, get, range and presigned get are one right everywhere.
_S3 = {
    "list": "s3:ListBucket",
    "get": "s3:GetObject",
    "put": "s3:PutObject",
    "delete": "s3:DeleteObject",
    "multipart": "s3:PutObject, s3:AbortMultipartUpload",
    "uploads": "s3:ListBucketMultipartUploads",
}
_AZURE = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
RIGHTS: Mapping[str, Mapping[str, str]] = {
    "s3": _S3,
    "azure-blob": {
        "list": f"{_AZURE}/read (SAS: l)",
        "get": f"{_AZURE}/read (SAS: r)",
        "put": f"{_AZURE}/write (SAS: c, w)",
        "delete": f"{_AZURE}/delete (SAS: d)",
        "multipart": f"{_AZURE}/write (SAS: c, w)",
        "uploads": f"{_AZURE}/read (SAS: l)",
    },
    "google-storage": {
        "list": "storage.objects.list",
        "get": "storage.objects.get",
        "put": "storage.objects.create",
        "overwrite": "storage.objects.create, storage.objects.delete",
        "delete": "storage.objects.delete",
        "multipart": "storage.objects.create",
        "uploads": "storage.multipartUploads.list",
    },
    "aliyun-oss": {
        "list": "oss:ListObjects",
        "get": "oss:GetObject",
        "put": "oss:PutObject",
        "delete": "oss:DeleteObject",
        "multipart": "oss:PutObject, oss:AbortMultipartUpload",
        "uploads": "oss:ListMultipartUploads",
    },
    "tencent-cos": {
        "list": "name/cos:GetBucket",
        "get": "name/cos:GetObject, name/cos:HeadObject",
        "put": "name/cos:PutObject",
        "delete": "name/cos:DeleteObject",
        "multipart": "name/cos:InitiateMultipartUpload, name/cos:UploadPart, "
        "name/cos:CompleteMultipartUpload, name/cos:AbortMultipartUpload",
        "uploads": "name/cos:ListMultipartUploads",
    },
    "huawei-obs": {
        "list": "obs:bucket:ListBucket",
        "get": "obs:object:GetObject",
        "put": "obs:object:PutObject",
        "delete": "obs:object:DeleteObject",
        "multipart": "obs:object:PutObject, obs:object:AbortMultipartUpload",
        "uploads": "obs:bucket:ListBucketMultipartUploads",
    },
    "volcengine-tos": {
        "list": "tos:ListBucket",
        "get": "tos:GetObject",
        "put": "tos:PutObject",
        "delete": "tos:DeleteObject",
        "multipart": "tos:PutObject, tos:AbortMultipartUpload",
        "uploads": "tos:ListBucketMultipartUploads",
    },
    "baidu-obs": {
        "list": "LIST",
        "get": "READ",
        "put": "WRITE",
        "delete": "WRITE",
        "multipart": "WRITE",
        "uploads": "LIST",
    },
    "oci-storage": {
        "list": "OBJECT_INSPECT",
        "get": "OBJECT_READ",
        "put": "OBJECT_CREATE",
        "overwrite": "OBJECT_OVERWRITE",
        "delete": "OBJECT_DELETE",
        "multipart": "OBJECT_CREATE, OBJECT_OVERWRITE",
        "uploads": "BUCKET_READ",
    },
    "supabase": {
        "list": "select on storage.objects",
        "get": "select on storage.objects",
        "put": "insert on storage.objects",
        "overwrite": "update and select on storage.objects",
        "delete": "delete and select on storage.objects",
    },
    "clickzetta-volume": {
        "list": "READ VOLUME",
        "get": "READ VOLUME",
        "put": "WRITE VOLUME",
        "delete": "WRITE VOLUME",
    },
    "local": {
        "list": "r and x on the folder",
        "get": "r on the file",
        "put": "w and x on the folder",
        "delete": "w and x on the folder",
    },
}
_SAME = {
    "head": "get",
    "range": "get",
    "metadata": "get",
    "presigned get": "get",
    "presigned put": "put",
    "overwrite": "put",
    "conditional put": "put",
}


def rights_of(type_id: str) -> dict[str, str]:
    """Operation of doctor → the vendor's name of the right it takes; empty for a type nobody described."""
    known = RIGHTS.get(type_id, {})
    found = dict(known)
    for operation, like in _SAME.items():
        if operation not in found and like in known:
            found[operation] = known[like]
    if "get" in known and "put" in known:
        found["copy"] = f"{known['get']}, {known['put']}"
    return found


def policy_for(type_id: str, bucket: str, prefix: str = "") -> str:
    """A least-privilege policy that can be pasted; empty for a type nobody described.

    prefix: objects outside of it stay out of reach where the vendor's policies can say that.
    """
    make = _POLICIES.get(type_id)
    return make(bucket or "BUCKET", prefix) if make else ""


def _document(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _s3(bucket: str, prefix: str) -> str:
    of_bucket: dict[str, object] = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"],
        "Resource": f"arn:aws:s3:::{bucket}",
    }
    objects = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        "Resource": f"arn:aws:s3:::{bucket}/{prefix}*",
    }
    return _document({"Version": "2012-10-17", "Statement": [of_bucket, objects]})


def _azure(bucket: str, prefix: str) -> str:  # noqa: ARG001
    return (
        'az role assignment create --role "Storage Blob Data Contributor" --assignee IDENTITY \\\n'
        "  --scope /subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Storage"
        f"/storageAccounts/ACCOUNT/blobServices/default/containers/{bucket}\n"
        "A SAS for the container: permissions racwdl, resource c."
    )


def _google(bucket: str, prefix: str) -> str:
    only = (
        f" \\\n  --condition='title=prefix,expression=resource.name.startsWith("
        f'"projects/_/buckets/{bucket}/objects/{prefix}")\''
        if prefix
        else ""
    )
    return (
        f"gcloud storage buckets add-iam-policy-binding gs://{bucket} \\\n"
        f"  --member=serviceAccount:ACCOUNT --role=roles/storage.objectUser{only}"
    )


def _oss(bucket: str, prefix: str) -> str:
    statements = [
        {
            "Effect": "Allow",
            "Action": ["oss:ListObjects", "oss:ListMultipartUploads", "oss:GetBucketInfo"],
            "Resource": [f"acs:oss:*:*:{bucket}"],
        },
        {
            "Effect": "Allow",
            "Action": ["oss:GetObject", "oss:PutObject", "oss:DeleteObject", "oss:AbortMultipartUpload"],
            "Resource": [f"acs:oss:*:*:{bucket}/{prefix}*"],
        },
    ]
    return _document({"Version": "1", "Statement": statements})


def _cos(bucket: str, prefix: str) -> str:
    actions = sorted(
        {right for rights in RIGHTS["tencent-cos"].values() for right in rights.split(", ")}
        | {"name/cos:HeadBucket"}
    )
    resource = f"qcs::cos:REGION:uid/APPID:{bucket}/{prefix}*"
    statement = {"effect": "allow", "action": actions, "resource": [resource]}
    return _document({"version": "2.0", "statement": [statement]})


def _obs(bucket: str, prefix: str) -> str:
    statements = [
        {
            "Effect": "Allow",
            "Action": [
                "obs:bucket:HeadBucket",
                "obs:bucket:ListBucket",
                "obs:bucket:ListBucketMultipartUploads",
            ],
            "Resource": [f"obs:*:*:bucket:{bucket}"],
        },
        {
            "Effect": "Allow",
            "Action": [
                "obs:object:GetObject",
                "obs:object:PutObject",
                "obs:object:DeleteObject",
                "obs:object:AbortMultipartUpload",
            ],
            "Resource": [f"obs:*:*:object:{bucket}/{prefix}*"],
        },
    ]
    return _document({"Version": "1.1", "Statement": statements})


def _tos(bucket: str, prefix: str) -> str:
    statements = [
        {
            "Effect": "Allow",
            "Action": ["tos:HeadBucket", "tos:ListBucket", "tos:ListBucketMultipartUploads"],
            "Resource": [f"trn:tos:::{bucket}"],
        },
        {
            "Effect": "Allow",
            "Action": ["tos:GetObject", "tos:PutObject", "tos:DeleteObject", "tos:AbortMultipartUpload"],
            "Resource": [f"trn:tos:::{bucket}/{prefix}*"],
        },
    ]
    return _document({"Statement": statements})


def _bos(bucket: str, prefix: str) -> str:
    resources = [bucket, f"{bucket}/{prefix}*"]
    entry = {
        "service": "bce:bos",
        "region": "*",
        "effect": "Allow",
        "permission": ["READ", "WRITE", "LIST"],
        "resource": resources,
    }
    return _document({"accessControlList": [entry]})


def _oci(bucket: str, prefix: str) -> str:  # noqa: ARG001
    return (
        f"Allow group GROUP to read buckets in compartment COMPARTMENT where target.bucket.name='{bucket}'\n"
        f"Allow group GROUP to manage objects in compartment COMPARTMENT where target.bucket.name='{bucket}'"
    )


def _supabase(bucket: str, prefix: str) -> str:
    inside = f" and name like '{prefix}%'" if prefix else ""
    return (
        "The service key may do everything. For a user's token, on storage.objects:\n"
        f"create policy berth on storage.objects for all to ROLE using (bucket_id = '{bucket}'{inside}) "
        f"with check (bucket_id = '{bucket}'{inside});"
    )


def _clickzetta(bucket: str, prefix: str) -> str:  # noqa: ARG001
    return f"GRANT READ VOLUME, WRITE VOLUME ON VOLUME {bucket} TO USER NAME;"


def _local(bucket: str, prefix: str) -> str:  # noqa: ARG001
    return ""


_POLICIES: Mapping[str, Callable[[str, str], str]] = {
    "aliyun-oss": _oss,
    "azure-blob": _azure,
    "baidu-obs": _bos,
    "clickzetta-volume": _clickzetta,
    "google-storage": _google,
    "huawei-obs": _obs,
    "local": _local,
    "oci-storage": _oci,
    "s3": _s3,
    "supabase": _supabase,
    "tencent-cos": _cos,
    "volcengine-tos": _tos,
}
