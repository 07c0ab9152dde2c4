"""The environment of every service loads into a model of what that service reads, with no unknown name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from app_cases import RELEASES, SIZES, api_services, dify, wired
from dify_models import IMAGE_READS, SINCE_1_16, dify_model, model_of, rows
from pydantic import ValidationError

TRACED = "tracing: {otlp_endpoint: 'https://otlp.example.com', headers_secret: 'secret:prod/otlp'}\n"
QDRANT = (
    "vector: {store: qdrant, env: {QDRANT_URL: 'https://q.example.com', QDRANT_API_KEY: 'secret:prod/q'}}\n"
)
VARIANTS = {"plain": "", "traced": TRACED, "qdrant": QDRANT}


def cases() -> Iterator[tuple[str, str, str]]:
    for release in RELEASES:
        for service in dify(version=release)[0].services:
            for variant in VARIANTS:
                yield release, service, variant


@pytest.mark.parametrize(("release", "service", "variant"), list(cases()))
def test_every_service_gets_what_it_reads(release: str, service: str, variant: str) -> None:
    environment = wired(VARIANTS[variant], version=release)[service]
    model_of(service, release).model_validate(environment)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("release", RELEASES)
def test_every_size_loads(release: str, size: str) -> None:
    for service, environment in wired(size=size, version=release).items():
        model_of(service, release).model_validate(environment)


def test_the_models_would_notice() -> None:
    """An unknown name, a blank switch, a wrong type and a missing variable are all refused."""
    model = dify_model("1.17.1")
    good = wired()["api"]
    broken = (
        good | {"S3_USE_AWS": "true"},
        good | {"REDIS_USE_SSL": ""},
        good | {"SQLALCHEMY_POOL_SIZE": "many"},
        good | {"STORAGE_TYPE": "aws_s3"},
        {name: value for name, value in good.items() if name != "SECRET_KEY"},
    )
    for environment in broken:
        with pytest.raises(ValidationError):
            model.model_validate(environment)


def test_the_contract_is_whole() -> None:
    """As many settings as the document says it lists, each once."""
    names = [row["name"] for row in rows()]
    assert len(names) == 654
    assert len(set(names)) == len(names)


def test_names_outside_the_settings_classes_are_named_with_their_source() -> None:
    known = {row["name"] for row in rows()} | {alias for row in rows() for alias in row["aliases"].split()}
    for release in RELEASES:
        app, _ = dify(version=release)
        used = {name for service in api_services(app) for name in wired(TRACED, version=release)[service]}
        documented = IMAGE_READS | (SINCE_1_16 if release != "1.15.0" else {})
        assert used - known == (used & set(documented))
        assert all(source for _, source in documented.values())
