"""Load balancer of Google Cloud: TLS, waiting, Cloud Armor, logs, CDN."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.rules.containers import application_timeout
from cloudberth.findings.rules.registry import Hit, also, also_relation, also_resource
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

_BACKEND, _POLICY = "google_compute_backend_service", "google_compute_security_policy"
_HTTP, _HTTPS = "google_compute_target_http_proxy", "google_compute_target_https_proxy"
_BACKENDS, _POLICIES, _SSL = (_BACKEND,), (_POLICY,), ("google_compute_ssl_policy",)
_DEFAULT_RULE = 2147483647


def is_public(backend: Resource) -> bool:
    """Whether it serves a load balancer that faces the internet, as it does unless it says otherwise."""
    return at(backend, "load_balancing_scheme").text in ("", "EXTERNAL", "EXTERNAL_MANAGED")


def _serving(context: Context) -> Iterator[Resource]:
    """Proxies for plain HTTP whose URL map leads to the application instead of to HTTPS."""
    maps = tuple(context.of_type("google_compute_url_map"))
    for proxy in context.of_type(_HTTP):
        used = [url_map for url_map in maps if context.points_at(proxy, "url_map", url_map)]
        redirects = [m for m in used if at(m, "default_url_redirect.0.https_redirect").on]
        if used and not redirects and not any(at(m, "default_url_redirect").partly_unknown for m in used):
            yield proxy


@also("balancer.no-https", types=(_HTTP,))
def no_https(context: Context) -> Iterator[Hit]:
    if not context.has(_HTTPS):
        yield from (Hit(proxy.address, "It serves plain HTTP.") for proxy in _serving(context))


@also(
    "balancer.http-without-redirect",
    types=(_HTTP,),
    remedy="A URL map with default_url_redirect { https_redirect }",
)
def http_without_redirect(context: Context) -> Iterator[Hit]:
    if context.has(_HTTPS):
        yield from (Hit(proxy.address, "It serves plain HTTP.") for proxy in _serving(context))


@also_resource("balancer.old-tls", types=_SSL, remedy="min_tls_version: TLS_1_2, profile: MODERN")
def old_tls(policy: Resource) -> str | None:
    version = at(policy, "min_tls_version")
    if version.absent:
        return "min_tls_version is not set, so it is TLS 1.0."
    return f"min_tls_version is {version.text}." if version.text in ("TLS_1_0", "TLS_1_1") else None


@also_resource(
    "balancer.old-tls",
    types=(_HTTPS,),
    remedy="ssl_policy with min_tls_version TLS_1_2 (Cloudberth's balancer module has one).",
)
def no_tls_policy(proxy: Resource) -> str | None:
    return "It has no SSL policy, so it begins with TLS 1.0." if at(proxy, "ssl_policy").absent else None


@also_relation("balancer.idle-timeout-short", types=_BACKENDS)
def idle_timeout_short(backend: Resource, context: Context) -> str | None:
    seconds, limit = at(backend, "timeout_sec").number, application_timeout(context)
    if seconds is None or seconds >= limit or not is_public(backend) or at(backend, "enable_cdn").on:
        return None
    return f"An answer may take {seconds:g} s; the application may take {limit:g} s."


@also_resource(
    "balancer.health-check-off",
    types=_BACKENDS,
    remedy="health_checks with the application's health path.",
)
def health_check_off(backend: Resource) -> str | None:
    groups = [entry.at("group").text for entry in blocks(backend, "backend")]
    # Groups of endpoints outside Google, and of serverless services, cannot have one.
    endpoints = any("networkEndpointGroups" in group for group in groups)
    bare = at(backend, "health_checks").absent and not endpoints and not at(backend, "backend").absent
    known = not any(entry.at("group").unknown for entry in blocks(backend, "backend"))
    return "It has no health check." if bare and known else None


@also_resource("balancer.access-logs-off", types=_BACKENDS)
def access_logs_off(backend: Resource) -> str | None:
    logs = at(backend, "log_config")
    written = any(not entry.at("enable").off for entry in logs.children())
    return None if logs.unknown or written or not is_public(backend) else "Requests are not logged."


@also_resource("balancer.no-waf", types=_BACKENDS)
def no_waf(backend: Resource) -> str | None:
    static = at(backend, "enable_cdn").on
    bare = is_public(backend) and not static and at(backend, "security_policy").absent
    return "No Cloud Armor policy is attached." if bare else None


def _own_rules(policy: Resource) -> tuple[Node, ...]:
    """All but the last, which says what happens to everything else."""
    return tuple(r for r in blocks(policy, "rule") if r.at("priority").number != _DEFAULT_RULE)


def _refuses_by_default(policy: Resource) -> bool:
    last = (r for r in blocks(policy, "rule") if r.at("priority").number == _DEFAULT_RULE)
    return any(not rule.at("action").text.startswith("allow") for rule in last)


@also_resource("balancer.firewall-empty", types=_POLICIES)
def firewall_empty(policy: Resource) -> str | None:
    rules = at(policy, "rule")
    if rules.unknown or rules.absent or _refuses_by_default(policy):
        return None
    return "It lets everything through." if not _own_rules(policy) else None


@also_resource(
    "balancer.firewall-only-counts",
    types=_POLICIES,
    remedy="preview: false on the rules with a certain verdict.",
)
def firewall_only_counts(policy: Resource) -> str | None:
    refusing = [r for r in _own_rules(policy) if not r.at("action").text.startswith("allow")]
    counting = [rule for rule in refusing if rule.at("preview").on]
    if not refusing or len(counting) < len(refusing) or _refuses_by_default(policy):
        return None
    return f"All {len(counting)} rules that refuse are in preview."


@also_resource(
    "balancer.firewall-without-known-attacks",
    types=_POLICIES,
    why="Google keeps rule sets for published exploits (Log4Shell among them) up to date; without them the "
    "policy knows only what you wrote yourself.",
    remedy="Rules with evaluatePreconfiguredWaf (access.waf: true).",
)
def firewall_without_known_attacks(policy: Resource) -> str | None:
    """A policy that lets in a list of addresses and nobody else needs none."""
    expressions = [rule.at("match.0.expr.0.expression") for rule in _own_rules(policy)]
    known = any(e.unknown or "evaluatePreconfigured" in e.text for e in expressions)
    edge = at(policy, "type").text in ("CLOUD_ARMOR_EDGE", "CLOUD_ARMOR_NETWORK")
    if not expressions or known or edge or _refuses_by_default(policy):
        return None
    return "No preconfigured rules."


@also_resource(
    "cdn.errors-cached",
    types=(_BACKEND,),
    why="With negative caching a 404 is kept for two minutes: a page or workflow that was just created stays "
    "missing, which Dify's console answers with conflicts.",
    remedy="negative_caching: false, or only static paths behind the CDN.",
)
def errors_cached(backend: Resource) -> str | None:
    """Only where everything is cached: with USE_ORIGIN_HEADERS and static paths it does no harm."""
    forced = at(backend, "cdn_policy.0.cache_mode").text == "FORCE_CACHE_ALL"
    kept = at(backend, "cdn_policy.0.negative_caching").on
    return "A 404 is kept." if at(backend, "enable_cdn").on and forced and kept else None
