"""What the rules ask about releases: the catalog of applications, in one place.

The catalog reads `Deployment`, so this room cannot import it while it is being imported itself.
"""

from __future__ import annotations

from cloudberth.apps.model import App


def versions(app: str) -> tuple[str, ...]:
    """Releases that can be deployed, newest last."""
    from cloudberth.apps import catalog

    return catalog.versions(app)


def release(app: str, version: str | None) -> App:
    """A release; None: the newest. Raises InvalidInput when there is no such release."""
    from cloudberth.apps import catalog

    return catalog.app(app, version)


def template(text: str) -> str:
    """The value of a variable as the template that the application makes of it."""
    from cloudberth.apps import references

    return references.from_user(text)


def facts() -> frozenset[str]:
    """Facts that variables of services may refer to (``database.host``)."""
    from cloudberth.apps import references

    return references.FACTS | references.ON_THE_MACHINE


def made_secrets() -> tuple[str, ...]:
    """Secrets that exist in every deployment."""
    from cloudberth.apps import references

    return references.ALWAYS_MADE
