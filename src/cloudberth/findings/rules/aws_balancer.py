"""Load balancer of AWS: TLS, timeouts, protection, logs, certificates."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.aws_network import openings
from cloudberth.findings.rules.containers import application_timeout
from cloudberth.findings.rules.registry import Hit, relation_rule, resource_rule, rule
from cloudberth.findings.values import at, blocks
from cloudberth.infra.plan import Resource

BALANCERS = ("aws_lb", "aws_alb")
LISTENERS = ("aws_lb_listener", "aws_alb_listener")
_DEFAULT_IDLE_SECONDS = 60
_MODERN = ("TLS-1-2", "TLS13-1-2", "TLS13-1-3", "FS-1-2")


def is_application(balancer: Resource) -> bool:
    """Whether it is an application load balancer (the provider's default type)."""
    kind = at(balancer, "load_balancer_type")
    return kind.absent or kind.text == "application"


def is_public(balancer: Resource) -> bool:
    """Whether it faces the internet, which it does unless it says otherwise.

    ``internal`` is computed, so leaving it out reads as unknown; nobody takes it from another resource.
    """
    return not at(balancer, "internal").on


def _listeners(balancer: Resource, context: Context) -> tuple[Resource, ...]:
    return context.companions(balancer, LISTENERS, "load_balancer_arn").found


def _redirects(listener: Resource) -> bool:
    actions = blocks(listener, "default_action")
    return any(
        a.at("type").text == "redirect" and a.at("redirect.0.protocol").text == "HTTPS" for a in actions
    )


def _serves(listener: Resource) -> bool:
    return any(a.at("type").text == "forward" for a in blocks(listener, "default_action"))


@relation_rule(
    "balancer.no-https",
    Severity.HIGH,
    "Users reach the application over plain HTTP",
    why="Passwords, API keys and session cookies can be read and changed by anyone on the way.",
    remedy="domain: {name: …, zone: …}, so that a certificate is issued; or domain.certificate for an "
    "existing one.",
    types=BALANCERS,
)
def no_https(balancer: Resource, context: Context) -> str | None:
    if not (is_application(balancer) and is_public(balancer)):
        return None
    protocols = [at(listener, "protocol") for listener in _listeners(balancer, context)]
    plain = bool(protocols) and all(protocol.text == "HTTP" for protocol in protocols)
    return "It has HTTP listeners only." if plain else None


@relation_rule(
    "balancer.http-without-redirect",
    Severity.HIGH,
    "HTTP is served beside HTTPS instead of redirected",
    why="A user who types the address without https:// stays on the open line, with the session cookie.",
    remedy="Redirect port 80 to HTTPS (the balancer module does, once domain is set).",
    types=BALANCERS,
)
def http_without_redirect(balancer: Resource, context: Context) -> str | None:
    listeners = _listeners(balancer, context)
    secure = any(at(listener, "protocol").text in ("HTTPS", "TLS") for listener in listeners)
    plain = [
        li for li in listeners if at(li, "protocol").text == "HTTP" and _serves(li) and not _redirects(li)
    ]
    return f"{plain[0].address} forwards plain HTTP." if secure and plain else None


@resource_rule(
    "balancer.old-tls",
    Severity.HIGH,
    "TLS policy allows versions before 1.2",
    why="TLS 1.0 and 1.1 are broken and forbidden by common standards (PCI DSS, RFC 8996).",
    remedy="ssl_policy: ELBSecurityPolicy-TLS13-1-2-2021-06 or newer.",
    types=LISTENERS,
)
def old_tls(listener: Resource) -> str | None:
    policy = at(listener, "ssl_policy").text
    secure = at(listener, "protocol").text in ("HTTPS", "TLS")
    return f"Policy {policy}." if secure and policy and not any(part in policy for part in _MODERN) else None


@relation_rule(
    "balancer.idle-timeout-short",
    Severity.MEDIUM,
    "Balancer gives up before the application does",
    why="A long answer that is not streamed ends as a 504 although the application still works on it; "
    "Dify's own limit (GUNICORN_TIMEOUT) is 360 seconds.",
    remedy="access.idle_timeout_seconds: 600",
    types=BALANCERS,
)
def idle_timeout_short(balancer: Resource, context: Context) -> str | None:
    idle = at(balancer, "idle_timeout")
    seconds = _DEFAULT_IDLE_SECONDS if idle.absent else idle.number
    limit = application_timeout(context)
    if not is_application(balancer) or seconds is None or seconds >= limit:
        return None
    return f"Idle timeout {seconds:g} s; the application may take {limit:g} s."


@resource_rule(
    "balancer.access-logs-off",
    Severity.LOW,
    "Balancer without access logs",
    why="Who called what, when and with which result is lost; attacks and slow calls cannot be looked into.",
    remedy="access.access_logs: true",
    types=BALANCERS,
)
def access_logs_off(balancer: Resource) -> str | None:
    logs = at(balancer, "access_logs")
    written = any(not log.at("enabled").off for log in logs.children())
    return None if logs.unknown or written else "No access log is written."


@resource_rule(
    "balancer.deletion-protection-off",
    Severity.LOW,
    "Balancer can be deleted by mistake",
    why="A new balancer has a new address: DNS, allow-lists and webhooks break.",
    remedy="enable_deletion_protection: true in your own Terraform.",
    types=BALANCERS,
    by_size={"small": None},
)
def deletion_protection_off(balancer: Resource) -> str | None:
    return "Deletion protection is off." if at(balancer, "enable_deletion_protection").off else None


@resource_rule(
    "balancer.invalid-headers-kept",
    Severity.LOW,
    "Balancer passes on malformed headers",
    why="Headers that servers read differently are how requests are smuggled past checks.",
    remedy="drop_invalid_header_fields: true in your own Terraform.",
    types=BALANCERS,
)
def invalid_headers_kept(balancer: Resource) -> str | None:
    kept = is_application(balancer) and at(balancer, "drop_invalid_header_fields").off
    return "drop_invalid_header_fields is off." if kept else None


@relation_rule(
    "balancer.no-waf",
    Severity.MEDIUM,
    "Public balancer without a web application firewall",
    why="Login and API are open to password lists, scanners and floods with nothing in front.",
    remedy="access.waf: true, or access.allowed_cidrs with the addresses of your own users.",
    types=BALANCERS,
    by_size={"small": None, "medium": Severity.INFO},
)
def no_waf(balancer: Resource, context: Context) -> str | None:
    if not (is_application(balancer) and is_public(balancer)) or not _world_reachable(balancer, context):
        return None
    missing = context.companions(
        balancer, ("aws_wafv2_web_acl_association", "aws_wafregional_web_acl_association"), "resource_arn"
    ).missing
    return "No web ACL is associated." if missing else None


def _world_reachable(balancer: Resource, context: Context) -> bool:
    """Whether a security group of the balancer is open to anybody, or the plan does not show its groups."""
    groups = [
        group
        for group in context.of_type("aws_security_group")
        if context.points_at(balancer, "security_groups", group) is not False
    ]
    if not groups:
        return True
    rules = {g.address for g in groups}
    for group in groups:
        ingress = context.companions(
            group, ("aws_vpc_security_group_ingress_rule", "aws_security_group_rule"), "security_group_id"
        )
        rules |= {r.address for r in ingress.found}
    return any(opening.address in rules for opening in openings(context))


@relation_rule(
    "balancer.certificate-not-validated",
    Severity.MEDIUM,
    "Listener may use a certificate before it is issued",
    why="AWS refuses a listener with a pending certificate: the first apply fails half-way.",
    remedy="Let the listener take the ARN from aws_acm_certificate_validation (domain.zone makes Cloudberth "
    "do it).",
    types=("aws_acm_certificate",),
)
def certificate_not_validated(certificate: Resource, context: Context) -> str | None:
    imported = at(certificate, "private_key").known or at(certificate, "private_key_wo_version").known
    private = not at(certificate, "certificate_authority_arn").absent
    method = at(certificate, "validation_method").text
    if imported or private or method not in ("DNS", "EMAIL"):
        return None
    waits = context.companions(certificate, ("aws_acm_certificate_validation",), "certificate_arn")
    used = any(
        context.refers(li, certificate) for li in context.of_type(*LISTENERS, "aws_cloudfront_distribution")
    )
    return "Nothing waits for its validation." if used and waits.missing else None


@rule(
    "balancer.health-check-off",
    Severity.MEDIUM,
    "Target group without a health check",
    why="Requests go to machines whose application is down.",
    remedy="Enable health_check on the target group, with the application's health path.",
    types=("aws_lb_target_group", "aws_alb_target_group"),
)
def health_check_off(context: Context) -> Iterator[Hit]:
    for group in context.of_type("aws_lb_target_group", "aws_alb_target_group"):
        if any(check.at("enabled").turned_off for check in blocks(group, "health_check")):
            yield Hit(group.address, "Its health check is disabled.")


@resource_rule(
    "balancer.smuggling-only-watched",
    Severity.MEDIUM,
    "Balancer lets ambiguous requests through",
    why="In mode monitor, requests that two servers would read differently are counted and passed on; so one "
    "user's request is mixed into another's.",
    remedy="desync_mitigation_mode: defensive (the default) or strictest",
    types=BALANCERS,
)
def smuggling_only_watched(balancer: Resource) -> str | None:
    watching = at(balancer, "desync_mitigation_mode").text == "monitor"
    return "desync_mitigation_mode is monitor." if watching else None
