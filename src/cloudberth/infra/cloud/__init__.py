"""Calls to a cloud's own API that Terraform cannot make: who am I, the bucket of the state, a secret's value.

One file per cloud, one registry line each, imported late. Nothing here is needed to plan or to rehearse.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from cloudberth.errors import EngineMissing

_CLOUDS = {
    "aws": "cloudberth.infra.cloud.aws:AwsAccount",
    "azure": "cloudberth.infra.cloud.azure:AzureAccount",
    "google": "cloudberth.infra.cloud.google:GoogleAccount",
}


class CloudAccount(Protocol):
    """An account in one region, with the credentials that the vendor's own chain finds."""

    def account_id(self) -> str:
        """Id of the AWS account, Azure subscription or Google Cloud project.

        Raises PermissionDenied when there are no usable credentials.
        """

    def default_state_bucket(self, name: str) -> str:
        """The bucket (on Azure: storage account) of a deployment's state when the file names none.

        Always the same for a name in an account, and another one in another account.
        """

    def bucket_exists(self, bucket: str) -> bool:
        """Raises PermissionDenied when the bucket is somebody else's."""

    def create_state_bucket(self, bucket: str) -> None:
        """Create a private, encrypted, versioned bucket that refuses plain HTTP."""

    def secret(self, identifier: str) -> str:
        """The value of an entry of the secret store."""


def cloud_account(cloud: str, region: str, account: str | None = None) -> CloudAccount:
    """Open the cloud of a deployment. account: the id that the deployment file names, when it does.

    Raises EngineMissing when the cloud's extra is not installed.
    """
    module, name = _CLOUDS[cloud].split(":")
    try:
        opened: CloudAccount = getattr(import_module(module), name)(region, account)
    except ModuleNotFoundError as error:
        raise EngineMissing(
            f"the Python package {error.name!r} is needed for calls to {cloud}",
            hint=f"pip install 'cloudberth[{cloud}]'",
        ) from None
    return opened
