"""berth.yaml as a value: what the user asked for.

Every section checks its own fields; rules between sections stand in `cloudberth.deployment.rules`. A size
preset (``sizes/<cloud>.yaml``) is merged under the user's file before validation, so every field here has
its final value and later steps never ask which size it was.
"""

from cloudberth.apps.model import Service
from cloudberth.deployment.model.base import Section
from cloudberth.deployment.model.deployment import (
    CustomFile,
    Deployment,
    DeploymentFile,
    DifyFile,
    ServiceOverride,
)
from cloudberth.deployment.model.infrastructure import (
    Access,
    AppGroup,
    Cache,
    Compute,
    Database,
    Domain,
    ExistingNetwork,
    LifecycleRule,
    Network,
    Schedule,
    StatefulGroup,
    Storage,
)
from cloudberth.deployment.model.operations import (
    Alarms,
    Backup,
    Budget,
    Logs,
    State,
    Suppression,
    Tracing,
    Vector,
)
from cloudberth.deployment.model.secrets import SecretReference

__all__ = [
    "Access",
    "Alarms",
    "AppGroup",
    "Backup",
    "Budget",
    "Cache",
    "Compute",
    "CustomFile",
    "Database",
    "Deployment",
    "DeploymentFile",
    "DifyFile",
    "Domain",
    "ExistingNetwork",
    "LifecycleRule",
    "Logs",
    "Network",
    "Schedule",
    "SecretReference",
    "Section",
    "Service",
    "ServiceOverride",
    "State",
    "StatefulGroup",
    "Storage",
    "Suppression",
    "Tracing",
    "Vector",
]
