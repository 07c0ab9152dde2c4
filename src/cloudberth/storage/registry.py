"""Which storage types there are. One sorted line each; a module is loaded when its type is opened.

Third parties add types through the entry point group ``cloudberth.storage`` (name: the type, value:
``module:Class`` of a Backend with the class attribute `settings`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudberth.registry import Registry

if TYPE_CHECKING:
    from cloudberth.storage.opening import OpenableBackend

ENTRY_POINTS = "cloudberth.storage"

# type → module:Class
BACKENDS = {
    "aliyun-oss": "cloudberth.storage.aliyun_oss:AliyunOss",
    "azure-blob": "cloudberth.storage.azure_blob:AzureBlob",
    "baidu-obs": "cloudberth.storage.baidu_obs:BaiduBos",
    "clickzetta-volume": "cloudberth.storage.clickzetta_volume:ClickZettaVolume",
    "google-storage": "cloudberth.storage.google_storage:GoogleStorage",
    "huawei-obs": "cloudberth.storage.huawei_obs:HuaweiObs",
    "local": "cloudberth.storage.local:Local",
    "oci-storage": "cloudberth.storage.oci_storage:OciStorage",
    "opendal": "cloudberth.storage.opendal:OpenDal",
    "s3": "cloudberth.storage.s3:S3",
    "supabase": "cloudberth.storage.supabase:Supabase",
    "tencent-cos": "cloudberth.storage.tencent_cos:TencentCos",
    "volcengine-tos": "cloudberth.storage.volcengine_tos:VolcengineTos",
}

# URL scheme → type. The settings of a type name the same schemes; a test holds the two together.
SCHEMES = {
    "azblob": "azure-blob",
    "bos": "baidu-obs",
    "clickzetta": "clickzetta-volume",
    "cos": "tencent-cos",
    "file": "local",
    "gs": "google-storage",
    "obs": "huawei-obs",
    "oci": "oci-storage",
    "oss": "aliyun-oss",
    "s3": "s3",
    "supabase": "supabase",
    "tos": "volcengine-tos",
}


_REGISTRY: Registry[OpenableBackend] = Registry("storage type", "STORAGE_TYPE", ENTRY_POINTS, BACKENDS)


def types() -> tuple[str, ...]:
    """Every type, those of other distributions included, sorted."""
    return _REGISTRY.types()


def backend_class(type_id: str) -> type[OpenableBackend]:
    """The class of a type. Raises InvalidInput for an unknown type, or when its extra is not installed."""
    return _REGISTRY.load(type_id)
