"""The HTTP interface: everything below ``/v1/knowledge``, and Dify's ``/retrieval``."""

from __future__ import annotations

from cloudberth.server.knowledge import datasets_api, dify, documents_api, keys_api, searching_api
from cloudberth.server.knowledge.problems import PREFIX, WORDS

ROUTERS = (
    datasets_api.router,
    documents_api.router,
    searching_api.router,
    keys_api.router,
    dify.router,
)

__all__ = ["PREFIX", "ROUTERS", "WORDS"]
