"""Outputs → environment of every service."""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from app_cases import FACTS, custom, dify, secret

from cloudberth.apps.catalog import app_of
from cloudberth.environment.wire import MASK, wire
from cloudberth.errors import InvalidInput


def test_without_a_way_to_read_them_secrets_are_masked() -> None:
    app, deployment = dify()
    environments = wire(app, deployment, FACTS)
    assert environments["api"]["SECRET_KEY"] == MASK
    assert environments["api"]["CELERY_BROKER_URL"].startswith(f"rediss://:{MASK}@cache.internal")
    text = str(environments)
    assert not any(secret(name) in text for name in app.secrets)


def test_with_one_they_are_read_once_per_use() -> None:
    app, deployment = dify()
    asked: list[str] = []

    def read(name: str) -> str:
        asked.append(name)
        return secret(name)

    environments = wire(app, deployment, FACTS, read)
    assert environments["sandbox"]["API_KEY"] == secret("sandbox_api_key")
    assert set(asked) == {"database_password", "cache_password", *app.secrets}


def test_a_missing_fact_names_the_variable() -> None:
    facts = deepcopy(FACTS)
    del facts["storage"]["bucket"]
    with pytest.raises(InvalidInput, match=r"\.(S3_BUCKET_NAME|PLUGIN_STORAGE_OSS_BUCKET): there is no fact"):
        wire(*dify(), facts)


def test_app_machines_reach_the_other_machine_by_name() -> None:
    environments = wire(*dify(), FACTS)
    assert environments["api"]["PLUGIN_DAEMON_URL"] == "http://stateful.dify.internal:5002"
    assert environments["api"]["CODE_EXECUTION_ENDPOINT"] == "http://sandbox:8194"
    assert environments["plugin_daemon"]["DIFY_INNER_API_URL"] == "http://api:5001"


def test_later_sources_win() -> None:
    """Release < deployment's env < the service's own env."""
    app, deployment = dify(
        "env: {UPLOAD_FILE_SIZE_LIMIT: '50', SQLALCHEMY_POOL_RECYCLE: '1800'}\n"
        "services: {worker: {env: {UPLOAD_FILE_SIZE_LIMIT: '80', CELERY_WORKER_AMOUNT: '2'}}}\n"
    )
    environments = wire(app, deployment, FACTS)
    assert environments["api"]["UPLOAD_FILE_SIZE_LIMIT"] == "50"
    assert environments["api"]["SQLALCHEMY_POOL_RECYCLE"] == "1800"
    assert environments["worker"]["UPLOAD_FILE_SIZE_LIMIT"] == "80"
    assert environments["worker"]["CELERY_WORKER_AMOUNT"] == "2"
    assert "UPLOAD_FILE_SIZE_LIMIT" not in environments["plugin_daemon"]
    assert "UPLOAD_FILE_SIZE_LIMIT" not in environments["web"]


def test_other_vector_stores_bring_their_own_variables() -> None:
    variables = "QDRANT_URL: 'https://q.example.com', QDRANT_API_KEY: 'secret:prod/q'"
    text = f"vector: {{store: qdrant, env: {{{variables}}}}}\n"
    app, deployment = dify(text)
    environment = wire(app, deployment, FACTS, lambda name: f"<{name}>")["worker"]
    assert environment["VECTOR_STORE"] == "qdrant"
    assert environment["QDRANT_URL"] == "https://q.example.com"
    assert environment["QDRANT_API_KEY"].startswith("<external_prod_q")
    assert not [name for name in environment if name.startswith("PGVECTOR")]


def test_a_custom_application_uses_the_same_references() -> None:
    deployment = custom(
        "services:\n"
        "  shop:\n"
        "    image: example.com/shop:1.2.3\n"
        "    port: 8000\n"
        "    routes: [{path: /}]\n"
        "    health: {path: /ready}\n"
        "    resources: {cpu: 1, memory_mb: 512}\n"
        "    env:\n"
        "      DATABASE_URL: postgresql://${database.username}:${secret.database_password|url}@${database.host}/${database.name}\n"
        "      CACHE: rediss://:${secret.cache_password|url}@${cache.host}:${cache.port}/0\n"
        "      TITLE: 'costs $5 or ${DOLLARS:-10} $'\n"
        "env: {REGION: '${region}'}\n"
    )
    environments = wire(app_of(deployment), deployment, FACTS, secret)
    assert set(environments) == {"database_setup", "router", "shop"}
    shop = environments["shop"]
    assert (
        shop["DATABASE_URL"] == "postgresql://cloudberth:s3cr3t%2Fdatabase_password%2B%40%3A@db.internal/dify"
    )
    assert shop["TITLE"] == "costs $5 or 10 $"
    assert shop["REGION"] == "eu-central-1"
