"""Whole lives of deployments on Google Cloud: the AWS examples with another cloud, region and machines."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudberth import pipeline
from cloudberth.deployment import load_text
from cloudberth.deployment.model import Deployment
from cloudberth.environment.wire import MASK
from cloudberth.infra.rehearsal import Rehearsal
from shared_rehearsals import life_of
from thoroughness import with_thorough

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = {"small": "dify-aws.yaml", "medium": "dify-aws-medium.yaml", "large": "dify-aws-large.yaml"}
OF_ONE_CLOUD = (
    *("machine_types", "machine_type", "version", "engine", "type", "certificate"),
    *("min_capacity", "max_capacity", "endpoints"),
)
"""Keys whose values only one cloud knows; without them the size's own hold."""

pytestmark = [pytest.mark.terraform, pytest.mark.slow]


def without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_own(inner) for key, inner in value.items() if key not in OF_ONE_CLOUD}
    if isinstance(value, str) and value.startswith("secret:"):
        return value.replace("/", "-")  # no folders in Secret Manager
    return value


@cache
def deployment(size: str) -> Deployment:
    document = yaml.safe_load((EXAMPLES / FILES[size]).read_text())
    document.pop("suppress", None)  # names resources of AWS
    moved = without_own(document) | {"cloud": "google", "region": "europe-west1"}
    moved.setdefault("alarms", {"emails": ["ops@example.com"]})
    return load_text(yaml.safe_dump(moved), environment={})


@cache
def life(size: str) -> Rehearsal:
    return life_of(deployment(size))


@pytest.mark.parametrize("size", with_thorough(["large"], ["small", "medium"]))
class TestEverySize:
    def test_lives_and_dies(self, size: str) -> None:
        result = life(size)
        assert result.changes == ()
        assert result.created == result.destroyed > 100
        assert result.leaks == ()
        assert result.exposed == 1, "the cache's password, and nothing else"
        assert result.label == "simulated providers, schema google 8.7.0, random 3.7.2"

    def test_its_facts_feed_every_service(self, size: str) -> None:
        result = life(size)
        env = pipeline.wire(deployment(size), result.facts)
        assert env["api"]["STORAGE_TYPE"] == "google-storage"
        assert env["api"]["GOOGLE_STORAGE_BUCKET_NAME"] == result.facts["storage"]["bucket"]
        assert env["api"]["REDIS_PORT"] == "6378"
        assert env["api"]["CELERY_BROKER_URL"].endswith(":6378/1?ssl_cert_reqs=none")
        assert env["plugin_daemon"]["PLUGIN_STORAGE_TYPE"] == "gcs"
        assert "GCS_CREDENTIALS" not in env["plugin_daemon"]
        for name, values in env.items():
            for key, value in values.items():
                assert "${" not in value.replace(MASK, ""), f"{name}: {key}"

    def test_only_the_cache_s_password_is_in_the_state(self, size: str) -> None:
        """Everything that is called a password or a secret's content, wherever it stands."""
        found = set()
        for resource in json.loads(life(size).state)["resources"]:
            for instance in resource["instances"]:
                for key in ("auth_string", "secret_data", "secret_data_wo", "password", "password_wo"):
                    if instance["attributes"].get(key):
                        found.add(f"{resource['type']}.{key}")
        assert found == {"google_redis_instance.auth_string"}

    def test_nothing_has_a_public_address_but_the_balancer_and_the_gateway(self, size: str) -> None:
        public = {
            resource["type"] + "." + resource["name"]
            for resource in json.loads(life(size).state)["resources"]
            for instance in resource["instances"]
            if str(instance["attributes"].get("address", "")).startswith("203.0.113.")
        }
        assert public == {"google_compute_address.nat", "google_compute_global_address.this"}


def test_a_schedule_ends_when_the_next_begins() -> None:
    schedules = (
        "compute: {schedules: ["
        '{name: evening, cron: "0 20 * * *", min: 1, max: 1, time_zone: Europe/Berlin},'
        '{name: morning, cron: "0 7 * * *", min: 4, max: 4, time_zone: Europe/Berlin}]}\n'
    )
    head = "name: dify\napp: dify\ncloud: google\nregion: us-central1\nsize: medium\n"
    plan = pipeline.rehearse_plan(load_text(head + schedules, environment={}))
    autoscalers = {
        resource.values["name"]: resource.values["autoscaling_policy"][0]
        for resource in plan.resources
        if resource.type == "google_compute_region_autoscaler"
    }
    regular, spot = autoscalers["dify-app"], autoscalers["dify-spot"]
    assert (regular["min_replicas"], regular["max_replicas"]) == (1, 3)
    assert (spot["min_replicas"], spot["max_replicas"]) == (0, 1)
    (morning,) = regular["scaling_schedules"]
    assert (morning["min_required_replicas"], morning["duration_sec"]) == (3, 13 * 3600)
    (with_spot,) = spot["scaling_schedules"]
    assert with_spot["min_required_replicas"] == 1
