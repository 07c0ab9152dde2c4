"""Deployments and facts that the tests of apps/ and environment/ share."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloudberth.apps.catalog import app_of
from cloudberth.apps.model import App
from cloudberth.deployment.loader import load
from cloudberth.deployment.model import Deployment
from cloudberth.environment.template import resolve
from cloudberth.environment.wire import wire

RELEASES = ("1.15.0", "1.17.1")
SIZES = ("small", "medium", "large")
IMAGE = "langgenius/dify-api:"
"""Services of this image read Dify's settings."""

FACTS: dict[str, Any] = {
    "name": "dify",
    "region": "eu-central-1",
    "public": {
        "host": "dify.example.com",
        "url": "https://dify.example.com",
        "scheme": "https",
        "websocket_url": "wss://dify.example.com",
    },
    "stateful": {"host": "stateful.dify.internal"},
    "database": {"host": "db.internal", "port": "5432", "username": "cloudberth", "name": "dify"},
    "cache": {"host": "cache.internal", "port": "6379", "tls": "true", "username": ""},
    "storage": {
        "bucket": "dify-files-0a1b",
        "region": "eu-central-1",
        "endpoint": "https://s3.eu-central-1.amazonaws.com",
    },
    "logs": {"region": "eu-central-1"},
    "machine": {"id": "i-0123456789abcdef0"},
}


def secret(name: str) -> str:
    """A value that differs per name, in the form each needs, with characters that URLs have to escape."""
    if name == "agent_server_secret_key":
        return "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
    return f"s3cr3t/{name}+@:"[:30]


def by_terraform(text: str) -> str:
    """What Terraform makes of a stack template with these facts (compared in test_terraform_text.py)."""
    return resolve(text.replace("${urlencode(cache.username)}", FACTS["cache"]["username"]), FACTS, str)


def deployment(text: str = "", *, size: str = "small", version: str | None = None) -> Deployment:
    """What berth.yaml with these extra lines says."""
    lines = ["name: dify", "app: dify", "cloud: aws", "region: eu-central-1", f"size: {size}"]
    lines += [f'version: "{version}"'] if version else []
    return of_text("\n".join(lines) + "\n" + text)


def custom(text: str) -> Deployment:
    return of_text("name: shop\napp: custom\ncloud: aws\nregion: eu-central-1\n" + text)


def of_text(text: str, environment: Mapping[str, str] | None = None) -> Deployment:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "berth.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, environment or {})


def dify(text: str = "", *, size: str = "small", version: str | None = None) -> tuple[App, Deployment]:
    chosen = deployment(text, size=size, version=version)
    return app_of(chosen), chosen


def wired(text: str = "", *, size: str = "small", version: str | None = None) -> dict[str, dict[str, str]]:
    """The environment of every service, with sample facts and secrets."""
    app, chosen = dify(text, size=size, version=version)
    return wire(app, chosen, FACTS, secret)


def api_services(app: App) -> list[str]:
    """The services that read Dify's own settings."""
    return [name for name, service in app.services.items() if service.image.startswith(IMAGE)]
