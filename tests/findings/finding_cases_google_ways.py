"""Plans for the rules about the network, the load balancer and the firewall of Google Cloud."""

from __future__ import annotations

from functools import partial
from typing import Any

from finding_plans import Sample, case, one, resource, sample

google = partial(case, provider="google")
FIREWALL = "google_compute_firewall.a"
SUBNET = "google_compute_subnetwork.a"
NAT = "google_compute_router_nat.a"
BACKEND = "google_compute_backend_service.a"
POLICY = "google_compute_security_policy.a"
HTTP, HTTPS = "google_compute_target_http_proxy.a", "google_compute_target_https_proxy.a"
MAP = "google_compute_url_map.a"


def opened(*ports: str, source: str = "0.0.0.0/0", protocol: str = "tcp", **values: Any) -> Sample:
    values = {"direction": "INGRESS", "source_ranges": [source]} | values
    return one(FIREWALL, allow=[{"protocol": protocol, "ports": list(ports)}], **values)


google(
    "network.all-ports-open",
    reported=[opened(), opened(protocol="all"), opened("1-65535")],
    silent=[
        opened("443"),
        opened(source="10.0.0.0/8"),
        opened(direction="EGRESS"),
        opened(protocol="icmp"),
        opened(disabled=True),
    ],
)
google(
    "network.admin-port-open",
    reported=[opened("22"), opened("3000-4000")],
    silent=[
        opened("22", source="35.235.240.0/20"),
        opened("443"),
        opened(unknown={"source_ranges": True}, source_ranges=None),
    ],
)
google(
    "network.data-port-open",
    reported=[opened("5432"), opened("6379", source="::/0")],
    silent=[opened("5432", source="10.0.0.0/8"), opened("443")],
)
google(
    "network.security-group-open",
    reported=[opened("8080"), opened("8080", direction=None, unknown={"direction": True})],
    silent=[opened("80", "443"), opened("8080", source="10.0.0.0/8"), opened("22")],
)
google(
    "network.flow-logs-off",
    reported=[one(SUBNET)],
    silent=[
        one(SUBNET, log_config=[{"flow_sampling": 0.5}]),
        one(SUBNET, purpose="REGIONAL_MANAGED_PROXY"),
        one(SUBNET, unknown={"log_config": True}),
    ],
)
NETWORK = "google_compute_network.a"
google(
    "network.automatic-subnets",
    reported=[one(NETWORK), one(NETWORK, auto_create_subnetworks=True)],
    silent=[
        one(NETWORK, auto_create_subnetworks=False),
        one(NETWORK, unknown={"auto_create_subnetworks": True}),
    ],
)
google(
    "network.nat-few-ports",
    reported=[one(NAT, min_ports_per_vm=64, enable_dynamic_port_allocation=False)],
    silent=[
        one(NAT, min_ports_per_vm=64, enable_dynamic_port_allocation=True),
        one(NAT, min_ports_per_vm=1024, enable_dynamic_port_allocation=False),
        one(NAT, unknown={"min_ports_per_vm": True}),
    ],
)
google(
    "cost.object-store-through-nat",
    reported=[sample(resource(NAT), resource(SUBNET, private_ip_google_access=False))],
    silent=[
        sample(resource(NAT), resource(SUBNET, private_ip_google_access=True)),
        one(SUBNET, private_ip_google_access=False),
    ],
)
ADDRESS = "google_compute_address.a"
ADDRESSES = [resource(f"google_compute_address.nat[{index}]") for index in range(2)]
google(
    "cost.idle-address",
    reported=[one(ADDRESS, address_type="EXTERNAL")],
    silent=[
        one(ADDRESS, address_type="INTERNAL"),
        sample(resource(ADDRESS), resource(NAT, references=[ADDRESS])),
        # all of them, from one of a counted resource
        sample(
            *ADDRESSES, resource("google_compute_router_nat.a[0]", references=["google_compute_address.nat"])
        ),
    ],
)

# The load balancer.


def proxied(redirects: bool, *others: Any) -> Sample:
    """A proxy for plain HTTP, whose URL map leads to HTTPS or to the application."""
    redirect = [{"https_redirect": True, "strip_query": False}] if redirects else []
    return sample(
        resource(HTTP, unknown={"url_map": True}, references=[MAP]),
        resource(MAP, unknown={"id": True}, default_url_redirect=redirect),
        *others,
    )


SECURE = resource(HTTPS, ssl_policy="p")
google(
    "balancer.no-https",
    reported=[proxied(False)],
    silent=[proxied(False, SECURE), proxied(True), sample(SECURE)],
)
google(
    "balancer.http-without-redirect",
    reported=[proxied(False, SECURE)],
    silent=[proxied(True, SECURE), proxied(False)],
)
TLS = "google_compute_ssl_policy.a"
google(
    "balancer.old-tls",
    reported=[one(TLS, min_tls_version="TLS_1_0"), one(TLS), one(HTTPS)],
    silent=[one(TLS, min_tls_version="TLS_1_2"), one(HTTPS, unknown={"ssl_policy": True}), sample(SECURE)],
)


def backend(**values: Any) -> Sample:
    given = {"load_balancing_scheme": "EXTERNAL_MANAGED", "timeout_sec": 600, "security_policy": "p"}
    return one(BACKEND, **(given | values))


google(
    "balancer.idle-timeout-short",
    reported=[backend(timeout_sec=30)],
    silent=[
        backend(),
        backend(timeout_sec=30, load_balancing_scheme="INTERNAL_MANAGED"),
        backend(timeout_sec=None, unknown={"timeout_sec": True}),
        backend(timeout_sec=30, enable_cdn=True),
    ],
)
ENDPOINTS = [{"group": "projects/x/regions/y/networkEndpointGroups/z"}]
google(
    "balancer.health-check-off",
    reported=[backend(backend=[{"group": "projects/x/instanceGroups/a"}])],
    silent=[
        backend(backend=[{"group": "projects/x/instanceGroups/a"}], health_checks=["h"]),
        backend(backend=ENDPOINTS),
        backend(backend=[{}], unknown={"backend": [{"group": True}]}),
    ],
)
google(
    "balancer.access-logs-off",
    reported=[backend(), backend(log_config=[{"enable": False}])],
    silent=[
        backend(log_config=[{"enable": True}]),
        backend(load_balancing_scheme="INTERNAL_MANAGED"),
        backend(unknown={"log_config": True}),
    ],
)
google(
    "balancer.no-waf",
    reported=[backend(security_policy=None)],
    silent=[
        backend(),
        backend(security_policy=None, unknown={"security_policy": True}),
        backend(security_policy=None, enable_cdn=True),
        backend(security_policy=None, load_balancing_scheme="INTERNAL_MANAGED"),
    ],
)


def last(action: str) -> dict[str, Any]:
    everybody = [{"versioned_expr": "SRC_IPS_V1", "config": [{"src_ip_ranges": ["*"]}]}]
    return {"action": action, "priority": 2147483647, "match": everybody}


def attacks(preview: bool = False) -> dict[str, Any]:
    expression = [{"expr": [{"expression": "evaluatePreconfiguredWaf('sqli-v33-stable')"}]}]
    return {"action": "deny(403)", "priority": 1000, "preview": preview, "match": expression}


LIMIT = {"action": "rate_based_ban", "priority": 2000, "preview": False}
google(
    "balancer.firewall-empty",
    reported=[one(POLICY, rule=[last("allow")])],
    silent=[
        one(POLICY, rule=[last("allow"), attacks()]),
        one(POLICY, rule=[last("deny(403)")]),
        one(POLICY, unknown={"rule": True}),
    ],
)
google(
    "balancer.firewall-only-counts",
    reported=[one(POLICY, rule=[last("allow"), attacks(preview=True)])],
    silent=[
        one(POLICY, rule=[last("allow"), attacks(preview=True), LIMIT]),
        one(POLICY, rule=[last("deny(403)"), attacks(preview=True)]),
    ],
)
google(
    "balancer.firewall-without-known-attacks",
    reported=[one(POLICY, rule=[last("allow"), LIMIT])],
    silent=[
        one(POLICY, rule=[last("allow"), attacks()]),
        one(POLICY, rule=[last("deny(403)"), LIMIT]),
        one(POLICY, type="CLOUD_ARMOR_EDGE", rule=[last("allow"), LIMIT]),
    ],
)
CACHED = [{"cache_mode": "FORCE_CACHE_ALL", "negative_caching": True}]
google(
    "cdn.errors-cached",
    reported=[backend(enable_cdn=True, cdn_policy=CACHED)],
    silent=[
        backend(enable_cdn=True, cdn_policy=[{"cache_mode": "USE_ORIGIN_HEADERS", "negative_caching": True}]),
        backend(cdn_policy=CACHED),
    ],
)
