"""Data sources and ephemeral resources of the simulated Google Cloud, and the secrets of its account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cloudberth.infra.simulation.behaviour import Account, digest
from cloudberth.infra.simulation.values import Value

Found = Mapping[str, Value]

ZONE_LETTERS: Final[Mapping[str, str]] = {"europe-west1": "bcd", "us-central1": "abcf", "us-east1": "bcd"}
"""Regions whose zones are not a, b and c (Compute Engine, regions and zones)."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a data source is asked, and by whom."""

    project: str
    region: str
    config: Mapping[str, Value]

    def text(self, name: str) -> str:
        value = self.config.get(name)
        return value if isinstance(value, str) else ""


def _client_config(query: Query) -> Found:
    zone = f"{query.region}-{ZONE_LETTERS.get(query.region, 'abc')[0]}"
    return {
        "id": f"projects/{query.project}/regions/{query.region}/zones/{zone}",
        "project": query.project,
        "region": query.region,
        "zone": zone,
        "access_token": "simulated",
        "default_labels": {},
    }


def _project(query: Query) -> Found:
    project = query.text("project_id") or query.project
    return {
        "id": f"projects/{project}",
        "project_id": project,
        "name": project,
        "number": "000000000000",
        "billing_account": "000000-000000-000000",
    }


def _zones(query: Query) -> Found:
    project, region = query.text("project") or query.project, query.text("region") or query.region
    names = [f"{region}-{letter}" for letter in ZONE_LETTERS.get(region, "abc")]
    return {"id": f"projects/{project}/regions/{region}", "names": names, "project": project}


def _image(query: Query) -> Found:
    project = query.text("project") or query.project
    name = query.text("name") or f"{query.text('family') or 'image'}-v20260101"
    place = f"projects/{project}/global/images/{name}"
    return {
        "id": place,
        "name": name,
        "self_link": f"https://www.googleapis.com/compute/v1/{place}",
        "status": "READY",
        "disk_size_gb": 10,
    }


def _zone_of(project: str, name: str, domain: str) -> Found:
    return {
        "id": f"projects/{project}/managedZones/{name}",
        "name": name,
        "dns_name": domain,
        "description": "",
        "managed_zone_id": int(digest(12, name), 16),
        "name_servers": ["ns-cloud-a1.googledomains.com.", "ns-cloud-a2.googledomains.com."],
        "visibility": "public",
        "project": project,
    }


def _managed_zone(query: Query) -> Found:
    project, name = query.text("project") or query.project, query.text("name")
    return _zone_of(project, name, f"{name.replace('-', '.')}.")


def _managed_zones(query: Query) -> Found:
    """Every zone that people ask for in examples."""
    project = query.text("project") or query.project
    domains = [
        f"{label}{ending}."
        for label in ("", "ai.", "apps.")
        for ending in ("example.com", "example.org", "example.net")
    ]
    zones = [_zone_of(project, domain.rstrip(".").replace(".", "-"), domain) for domain in domains]
    return {"id": f"projects/{project}/managedZones", "managed_zones": zones}


SOURCES: Final[Mapping[str, Callable[[Query], Found]]] = {
    "google_client_config": _client_config,
    "google_compute_image": _image,
    "google_compute_zones": _zones,
    "google_dns_managed_zone": _managed_zone,
    "google_dns_managed_zones": _managed_zones,
    "google_project": _project,
}
"""Data source → its attributes; the others are invented from the schema."""


# ---- secrets: values that live in the account, never in the state ------------------------------------------


def remember(account: Account, name: str, values: Found, config: Found) -> None:
    """Keep what was written into Secret Manager, so that an ephemeral read returns it."""
    if name != "google_secret_manager_secret_version":
        return
    written = config.get("secret_data_wo") or config.get("secret_data")
    key = str(values.get("secret"))
    with account.lock:
        account.store[key] = str(written) if written else f"simulated-{digest(24, key)}"


def recall(account: Account, name: str, values: Found) -> None:
    """A version found in the state: its secret exists, though this process never saw the value."""
    if str(values.get("secret")) not in account.store:
        remember(account, name, values, {})


def _secret_value(account: Account, config: Found) -> Found:
    key = str(config.get("secret"))
    with account.lock:
        value = account.store.get(key)
        ours = ("google_secret_manager_secret", key) in account.objects
    if value is None and ours:
        raise LookupError(
            f"Error 404: Secret Version [{key}/versions/latest] not found: nothing was written yet "
            "(is a depends_on missing?)"
        )
    return {
        "secret_data": value or f"simulated-{digest(24, 'external', key)}",
        "version": "1",
        "name": f"{key}/versions/1",
        "enabled": True,
    }


EPHEMERAL: Final[Mapping[str, Callable[[Account, Found], Found]]] = {
    "google_secret_manager_secret_version": _secret_value,
}
