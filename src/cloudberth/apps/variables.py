"""What the infrastructure has to know about an application (values of the Terraform root's variables)."""

from __future__ import annotations

from cloudberth.apps.compose import crosses
from cloudberth.apps.model import App
from cloudberth.errors import InvalidInput

BOOT = "boot"
"""Log group of the machines' own journal."""


def log_groups(app: App) -> list[str]:
    """One group per service, and one for the machines themselves."""
    return sorted({*app.services, BOOT})


def internal_ports(app: App) -> list[int]:
    """Ports of the stateful machine that the app machines reach."""
    return sorted(
        {service.port for name, service in app.services.items() if service.port and crosses(app, name)}
    )


def check_ports(app: App) -> None:
    """Raises InvalidInput when two services of the stateful machine would be reached under one port."""
    taken: dict[int, str] = {}
    for name, service in app.services.items():
        if service.port and crosses(app, name):
            if service.port in taken:
                raise InvalidInput(
                    f"{taken[service.port]} and {name} have the same port {service.port} on one machine",
                    where=f"services.{name}.port",
                    hint="give one of them another port",
                )
            taken[service.port] = name


def cdn_paths(app: App) -> list[str]:
    """Path prefixes of immutable static files."""
    routes = {route.path for service in app.services.values() for route in service.routes if route.cacheable}
    return sorted({*app.cdn_paths, *routes})
