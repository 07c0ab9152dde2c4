"""What the handlers work with, made once when the server starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from cloudberth.server.admin import AdminToken
from cloudberth.server.forms import Form, read_form
from cloudberth.server.knowledge.part import KnowledgePart
from cloudberth.server.metrics import ServerMetrics
from cloudberth.server.pages import Pages
from cloudberth.server.sessions import Session, Sessions
from cloudberth.server.settings import ServerSettings
from cloudberth.server.sign_in_limits import SignInLimits
from cloudberth.tracing.database import Database
from cloudberth.tracing.destinations import Destinations
from cloudberth.tracing.ingest import Ingest
from cloudberth.tracing.keys import IngestKeys
from cloudberth.tracing.store import TraceStore

SESSION_COOKIE = "berth_session"


@dataclass(frozen=True, slots=True)
class Services:
    """One of each; they are safe to use from several threads."""

    settings: ServerSettings
    admin: AdminToken
    console: Database
    sessions: Sessions
    limits: SignInLimits
    pages: Pages
    metrics: ServerMetrics
    store: TraceStore
    ingest: Ingest
    destinations: Destinations
    keys: IngestKeys
    otlp_places: asyncio.Semaphore
    knowledge: KnowledgePart


def services_of(request: Request) -> Services:
    found = request.app.state.services
    if not isinstance(found, Services):
        raise TypeError("the application has no services")
    return found


class SignInNeeded(Exception):
    """Nobody is signed in; the reader is sent to the sign-in page and back."""


def cookie_name(request: Request) -> str:
    """Over TLS the name says that no other host can have set the cookie (RFC 6265bis, ``__Host-``)."""
    return f"__Host-{SESSION_COOKIE}" if request.url.scheme == "https" else SESSION_COOKIE


def signed_in(request: Request) -> Session:
    """The session of a request; SignInNeeded without."""
    token = request.cookies.get(cookie_name(request), "")
    session = services_of(request).sessions.find(token) if token else None
    if session is None:
        raise SignInNeeded
    request.state.session = session
    return session


async def posted_form(request: Request, session: Annotated[Session, Depends(signed_in)]) -> Form:
    """The form of somebody who is signed in, sent from one of our pages."""
    return await read_form(request, services_of(request).settings.form_body, session.form_token)


Here = Annotated[Services, Depends(services_of)]
Posted = Annotated[Form, Depends(posted_form)]
