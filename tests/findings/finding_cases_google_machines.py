"""Plans for the rules about machines and identities of Google Cloud."""

from __future__ import annotations

from functools import partial
from typing import Any

from finding_plans import Sample, case, one, resource, sample

from cloudberth.infra.plan import Resource

google = partial(case, provider="google")
MACHINE = "google_compute_instance.a"
TEMPLATE = "google_compute_instance_template.a"
REGIONAL = "google_compute_region_instance_group_manager.a"
ZONAL = "google_compute_instance_group_manager.a"
RUN = "google_cloud_run_v2_service.a"
SPOT = {"scheduling": [{"provisioning_model": "SPOT"}]}
PORT = [{"name": "http", "port": 80}]


def group(minimum: int, maximum: int, key: str = "a", spot: bool = False, **values: Any) -> list[Resource]:
    """A group behind a balancer with its template and autoscaler; all have the key as name."""
    template, own = TEMPLATE[:-1] + key, REGIONAL[:-1] + key
    policy = {"min_replicas": minimum, "max_replicas": maximum}
    policy |= {"scaling_schedules": values.pop("schedules", [])}
    values = {"named_port": PORT} | values
    return [
        resource(template, **(SPOT if spot else {})),
        resource(own, unknown={"id": True}, references=[template], **values),
        resource(
            f"google_compute_region_autoscaler.{key}",
            unknown={"target": True},
            references=[own],
            autoscaling_policy=[policy],
        ),
    ]


def scaled(minimum: int, maximum: int, **values: Any) -> Sample:
    return sample(*group(minimum, maximum, **values))


google(
    "compute.public-address",
    reported=[
        one(TEMPLATE, network_interface=[{"access_config": [{"network_tier": "PREMIUM"}]}]),
        one(MACHINE, network_interface=[{"ipv6_access_config": [{"network_tier": "PREMIUM"}]}]),
    ],
    silent=[one(TEMPLATE, network_interface=[{"stack_type": "IPV4_ONLY"}]), one(MACHINE)],
)
google(
    "compute.ssh-key",
    reported=[one(TEMPLATE, metadata={"ssh-keys": "a:ssh-ed25519 AAAA a"})],
    silent=[one(TEMPLATE, metadata={"enable-oslogin": "TRUE"}), one(TEMPLATE)],
)
google(
    "compute.serial-console",
    reported=[one(MACHINE, metadata={"serial-port-enable": "TRUE"})],
    silent=[one(MACHINE, metadata={"serial-port-enable": "false"}), one(MACHINE)],
)
DEFAULT = "123456789012-compute@developer.gserviceaccount.com"
google(
    "compute.default-account",
    reported=[
        one(TEMPLATE, service_account=[{"email": DEFAULT, "scopes": ["cloud-platform"]}]),
        one(RUN, template=[{"service_account": DEFAULT}]),
    ],
    silent=[
        one(TEMPLATE, service_account=[{"email": "app@x.iam.gserviceaccount.com"}]),
        one(TEMPLATE, service_account=[{}], unknown={"service_account": [{"email": True}]}),
        one(RUN),
    ],
)
google(
    "compute.boot-unprotected",
    reported=[one(TEMPLATE), one(TEMPLATE, shielded_instance_config=[{"enable_secure_boot": False}])],
    silent=[
        one(TEMPLATE, shielded_instance_config=[{"enable_secure_boot": True}]),
        one(TEMPLATE, unknown={"shielded_instance_config": True}),
    ],
)
google(
    "compute.singleton-on-spot",
    reported=[
        one(MACHINE, **SPOT),
        one(MACHINE, scheduling=[{"preemptible": True}]),
        scaled(1, 1, spot=True),
    ],
    silent=[one(MACHINE), scaled(1, 1), sample(*group(1, 2), *group(0, 1, "b", spot=True))],
)
google(
    "compute.all-on-spot",
    reported=[scaled(2, 4, spot=True)],
    silent=[scaled(2, 4), sample(*group(2, 4), *group(0, 4, "b", spot=True))],
)
CHOICES = [
    {"instance_selections": [{"name": n, "machine_types": [n]} for n in ("e2-standard-2", "n2-standard-2")]}
]
google(
    "compute.spot-without-alternatives",
    reported=[scaled(2, 4, spot=True)],
    silent=[scaled(2, 4, spot=True, instance_flexibility_policy=CHOICES), scaled(2, 4)],
)
HEALED = [{"health_check": "x", "initial_delay_sec": 300}]
google(
    "compute.machine-health-only",
    reported=[scaled(2, 4)],
    silent=[scaled(2, 4, auto_healing_policies=HEALED), one(ZONAL)],
)
DAY = [{"name": "day", "min_required_replicas": 2, "duration_sec": 28800, "schedule": "0 8 * * 1-5"}]
google(
    "compute.scales-to-zero",
    reported=[scaled(0, 4), one(RUN, template=[{"scaling": [{"min_instance_count": 0}]}])],
    silent=[
        scaled(1, 4),
        scaled(0, 4, schedules=DAY),
        sample(*group(1, 4), *group(0, 4, "b", spot=True)),
        one(RUN, template=[{"scaling": [{"min_instance_count": 1}]}]),
    ],
)
google("compute.no-headroom", reported=[scaled(3, 3)], silent=[scaled(2, 4), scaled(1, 1)])
google(
    "compute.never-scales",
    reported=[one(REGIONAL, named_port=PORT, target_size=2)],
    silent=[scaled(2, 4), one(ZONAL, target_size=1)],
)
google(
    "compute.single-machine",
    reported=[scaled(1, 4), sample(*group(1, 4), *group(0, 4, "b", spot=True))],
    silent=[scaled(2, 4), sample(*group(1, 4), *group(1, 4, "b", spot=True)), one(ZONAL, target_size=1)],
)
google(
    "compute.single-zone",
    reported=[
        scaled(2, 4, distribution_policy_zones=["europe-west1-b"]),
        one(ZONAL, zone="europe-west1-b", target_size=2),
    ],
    silent=[
        scaled(2, 4, distribution_policy_zones=["europe-west1-b", "europe-west1-c"]),
        one(ZONAL, zone="europe-west1-b", target_size=1),
    ],
)
google(
    "compute.template-not-rolled-out",
    reported=[one(REGIONAL, update_policy=[{"type": "OPPORTUNISTIC"}])],
    silent=[one(REGIONAL, update_policy=[{"type": "PROACTIVE"}]), one(REGIONAL)],
)

# Identities and the registry.

MEMBER = "google_project_iam_member.a"
ONLY_SOME = [{"title": "some", "expression": "resource.name.startsWith('x')"}]


def role(name: str, address: str = MEMBER, **values: Any) -> Sample:
    return one(address, **({"role": name, "member": "serviceAccount:a@example.com"} | values))


google(
    "identity.broad-managed-policy",
    reported=[
        role("roles/editor"),
        one("google_project_iam_binding.a", role="roles/owner", members=["user:a@example.com"]),
    ],
    silent=[role("roles/logging.logWriter"), one(MEMBER, unknown={"role": True})],
)
google(
    "identity.privilege-escalation",
    reported=[
        role("roles/iam.serviceAccountTokenCreator"),
        one("google_project_iam_custom_role.a", permissions=["iam.serviceAccounts.actAs"]),
    ],
    silent=[
        role("roles/iam.serviceAccountUser", condition=ONLY_SOME),
        one(
            "google_service_account_iam_member.a",
            role="roles/iam.serviceAccountUser",
            member="user:a@example.com",
        ),
        one("google_project_iam_custom_role.a", permissions=["storage.objects.get"]),
    ],
)
google(
    "identity.whole-service",
    reported=[role("roles/storage.admin")],
    silent=[role("roles/storage.admin", condition=ONLY_SOME), role("roles/storage.objectViewer")],
)
google(
    "identity.every-resource",
    reported=[role("roles/storage.objectAdmin"), role("roles/secretmanager.secretAccessor")],
    silent=[role("roles/storage.objectAdmin", condition=ONLY_SOME), role("roles/monitoring.metricWriter")],
)
google(
    "identity.long-lived-key",
    reported=[one("google_service_account_key.a"), one("google_storage_hmac_key.a", state="ACTIVE")],
    silent=[one("google_storage_hmac_key.a", state="INACTIVE")],
)
google(
    "identity.policy-for-anybody",
    reported=[
        role("roles/viewer", member="allUsers"),
        one("google_secret_manager_secret_iam_member.a", role="r", member="allAuthenticatedUsers"),
    ],
    silent=[role("roles/viewer"), role("roles/viewer", member="allUsers", condition=ONLY_SOME)],
)
READER = "google_artifact_registry_repository_iam_member.a"
google(
    "containers.registry-public",
    reported=[role("roles/artifactregistry.reader", READER, member="allUsers")],
    silent=[role("roles/artifactregistry.reader", READER)],
)
REPOSITORY = "google_artifact_registry_repository.a"
google(
    "containers.registry-tags-move",
    reported=[one(REPOSITORY, format="DOCKER")],
    silent=[
        one(REPOSITORY, format="DOCKER", docker_config=[{"immutable_tags": True}]),
        one(REPOSITORY, format="PYTHON"),
        one(REPOSITORY, format="DOCKER", mode="REMOTE_REPOSITORY"),
    ],
)
