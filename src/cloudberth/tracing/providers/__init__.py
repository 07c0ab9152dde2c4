"""The providers, one small file each. `profile("langfuse")`, `profiles()`."""

from __future__ import annotations

from importlib import import_module

from cloudberth.errors import InvalidInput
from cloudberth.tracing.profile import Profile

# id → module with PROFILE, in the order of the panel.
PROVIDERS = {
    "arize": "arize",
    "phoenix": "phoenix",
    "langsmith": "langsmith",
    "langfuse": "langfuse",
    "opik": "opik",
    "weave": "weave",
    "aliyun": "aliyun",
    "tencent": "tencent",
    "mlflow": "mlflow",
    "databricks": "databricks",
    "otlp": "otlp",
}


def profile(provider: str) -> Profile:
    """The profile of a provider. Raises InvalidInput for an unknown one."""
    name = PROVIDERS.get(provider)
    if name is None:
        raise InvalidInput(
            f"there is no tracing provider {provider!r}", hint=f"there are: {', '.join(PROVIDERS)}"
        )
    found: Profile = import_module(f"cloudberth.tracing.providers.{name}").PROFILE
    return found


def profiles() -> tuple[Profile, ...]:
    """All of them, in the order of the panel."""
    return tuple(profile(provider) for provider in PROVIDERS)
