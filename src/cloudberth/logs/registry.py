"""Which log stores there are. One sorted line each; a module is loaded when its store is opened.

Third parties add stores through the entry point group ``cloudberth.logs`` (name: the scheme, value:
``module:Class`` of a LogReader).
"""

from __future__ import annotations

from importlib import import_module

from cloudberth.errors import InvalidInput
from cloudberth.logs.contract import DeploymentLogs, LogReader

ENTRY_POINTS = "cloudberth.logs"

# scheme → module:Class
READERS = {
    "azure-monitor": "cloudberth.logs.azure_monitor:AzureMonitor",
    "cloudwatch": "cloudberth.logs.cloudwatch:CloudWatch",
    "file": "cloudberth.logs.files:Files",
    "google-logging": "cloudberth.logs.google_logging:GoogleLogging",
    "sls": "cloudberth.logs.aliyun_sls:AliyunSls",
}

# cloud of a deployment → scheme
OF_CLOUD = {"aws": "cloudwatch", "azure": "azure-monitor", "google": "google-logging"}


def schemes() -> tuple[str, ...]:
    """Every scheme, those of other distributions included, sorted."""
    return tuple(sorted({*READERS, *_others()}))


def reader_class(scheme: str) -> type[LogReader]:
    """The class of a scheme. Raises InvalidInput for an unknown one."""
    reference = READERS.get(scheme) or _others().get(scheme)
    if reference is None:
        raise InvalidInput(
            f"there is no log store {scheme!r}", hint=f"there are: {', '.join(schemes())}, and paths of files"
        )
    module, _, name = reference.partition(":")
    found: type[LogReader] = getattr(import_module(module), name)
    return found


def reader_of_deployment(cloud: str, logs: DeploymentLogs) -> LogReader:
    """The reader for the logs of a deployment. Raises InvalidInput where the cloud has no log store."""
    scheme = OF_CLOUD.get(cloud)
    if scheme is None:
        raise InvalidInput(f"logs on {cloud} cannot be read yet", hint=f"clouds: {', '.join(OF_CLOUD)}")
    return reader_class(scheme).of_deployment(logs)


def _others() -> dict[str, str]:
    # Late: reading what is installed takes longer than opening a store.
    from importlib import metadata

    return {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINTS)}
