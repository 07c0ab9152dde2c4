"""What computes and what lets traffic in and out: machines, load balancers, Cloud NAT, private access."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudberth.infra.diagram.drawn import Drawn, addresses, counted, label_of, number, span, titled
from cloudberth.infra.diagram.google.ground import GROUPS, TEMPLATES, Ground, zones_of
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Node, Place, Role, Tier
from cloudberth.infra.plan import Resource

AUTOSCALERS = ("google_compute_region_autoscaler", "google_compute_autoscaler")
FORWARDING = ("google_compute_global_forwarding_rule", "google_compute_forwarding_rule")
BACKENDS = frozenset({"google_compute_backend_service", "google_compute_region_backend_service"})
_DISKS = frozenset({"google_compute_disk", "google_compute_region_disk"})
_MAPS = frozenset({"google_compute_url_map", "google_compute_region_url_map"})
_PROXIES = _MAPS | {
    f"google_compute_{region}target_{kind}_proxy"
    for region in ("", "region_")
    for kind in ("http", "https", "tcp", "ssl")
}


@dataclass(frozen=True, slots=True)
class _Group:
    """One managed group. low and high: how many machines, None where unknown."""

    manager: Resource
    scaler: Resource | None
    template: Resource | None
    low: int | None
    high: int | None

    @property
    def spot(self) -> bool:
        model = self.template.get("scheduling.0.provisioning_model") if self.template else ""
        return bool(model == "SPOT")

    @property
    def parts(self) -> tuple[Resource, ...]:
        return tuple(one for one in (self.manager, self.scaler, self.template) if one is not None)


def groups(links: Links, ground: Ground) -> Iterator[Drawn]:
    """Managed instance groups: those that can grow, or one of exactly one machine.

    Google has no group of both kinds of machines: a block that makes one of regular and one of spot machines
    is shown as the one thing that it is to the application.
    """
    blocks: dict[tuple[str, str, str], list[_Group]] = {}
    for manager in links.of_type(*GROUPS):
        key = (manager.module, manager.type, manager.name)
        blocks.setdefault(key, []).append(_group(links, manager))
    for same in blocks.values():
        yield _drawn(links, ground, sorted(same, key=lambda one: one.spot))


def _group(links: Links, manager: Resource) -> _Group:
    scaler = next((one for one in links.naming(manager) if one.type in AUTOSCALERS), None)
    template = template_of(links, manager)
    if scaler is not None:
        sizes = (scaler.get(f"autoscaling_policy.0.{end}_replicas") for end in ("min", "max"))
        return _Group(manager, scaler, template, *sizes)
    named = sum("per_instance_config" in one.type for one in links.naming(manager)) or None
    size = manager.get("target_size", named)
    return _Group(manager, None, template, size, size)


def _drawn(links: Links, ground: Ground, same: list[_Group]) -> Drawn:
    first = same[0].manager
    alone = len(same) == 1 and same[0].high == 1
    disks = _own_disks(links, first) if alone else ()
    spot = ground.spot(links, first)
    zones = spot.zones
    if alone and len(zones) > 1:
        at = {zone for disk in disks for zone in zones_of(disk)}
        zones = tuple(zone for zone in zones if zone in at)[:1] or zones[:1]
    captions = (
        *_machines(same),
        *(_disk(same[0].template, disks) if alone else ()),
        *_scaling(same),
        "in one of the zones" if alone and len(spot.zones) > 1 and not disks else "",
    )
    shown = (*(part for one in same for part in one.parts), *disks)
    label = label_of(links, first)
    kind = "instance" if alone else "instance group"
    title = titled(f"{label} {kind}".strip(), kind)
    role, tier = Role.STATEFUL if alone else Role.APP, spot.tier or Tier.PRIVATE
    node = Node(first.address, role, title, Place.ZONES, captions, tier, zones, addresses(shown))
    return Drawn(node, shown)


def template_of(links: Links, manager: Resource) -> Resource | None:
    """The instance template of a group; of several, the one called like it."""
    found = links.reach(manager, TEMPLATES, ())
    same = [one for one in found if {one.name, one.key} & {manager.name, manager.key} - {None, "this"}]
    return next(iter(same or found), None)


def _machines(same: list[_Group]) -> Iterator[str]:
    """How many of which type, and how many of them are spot machines."""
    types = _types(same[0])
    more = f" (or {counted(len(types) - 1, 'other type')})" if len(types) > 1 else ""
    count = span(_sum(one.low for one in same), _sum(one.high for one in same))
    yield f"{count} × {types[0]}{more}" if types else f"{count} machine{'' if count == '1' else 's'}"
    cheap = [one for one in same if one.spot]
    if cheap:
        yield f"of them {span(_sum(one.low for one in cheap), _sum(one.high for one in cheap))} spot"


def _sum(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else sum(one or 0 for one in known)


def _types(group: _Group) -> list[str]:
    chosen = group.manager.get("instance_flexibility_policy.0.instance_selections", [])
    ranked = sorted(
        (one for one in chosen if isinstance(one, dict)),
        key=lambda one: (one.get("rank") or 0, str(one.get("name"))),
    )
    types = [name for one in ranked for name in one.get("machine_types") or []]
    only = text_of(group.template.values, "machine_type") if group.template else ""
    return types or [one for one in (only,) if one]


def _own_disks(links: Links, group: Resource) -> tuple[Resource, ...]:
    """Disks of a single machine: those it names, else those of its module."""
    near = [*links.naming(group), group]
    named = {disk.address: disk for one in near for disk in links.reach(one, _DISKS, TEMPLATES)}
    return tuple(named.values()) or tuple(
        one for one in links.of_type(*sorted(_DISKS)) if one.module == group.module
    )


def _disk(template: Resource | None, disks: tuple[Resource, ...]) -> Iterator[str]:
    for disk in disks[:1]:
        kind = text_of(disk.values, "type").rpartition("/")[2]
        yield f"data disk {number(disk.get('size'))} GB"
        yield kind
    if template is None or disks:
        return
    for disk in template.get("disk", []):
        if isinstance(disk, dict) and disk.get("boot") is False:
            yield f"data disk {number(disk.get('disk_size_gb'))} GB {disk.get('disk_type') or ''}".strip()


def _scaling(same: list[_Group]) -> Iterator[str]:
    """The scaling target and the schedules."""
    policies = [one.scaler.get("autoscaling_policy.0", {}) for one in same if one.scaler is not None]
    targets = [
        policy["cpu_utilization"][0].get("target") for policy in policies if policy.get("cpu_utilization")
    ]
    if targets and targets[0] is not None:
        yield f"scales at {number(targets[0] * 100)} % CPU"
    least: dict[tuple[str, str], int] = {}
    for policy in policies:
        for one in policy.get("scaling_schedules") or []:
            name = (str(one.get("name", "")), str(one.get("schedule", "")))
            least[name] = least.get(name, 0) + int(one.get("min_required_replicas") or 0)
    for (title, cron), size in list(least.items())[:2]:
        yield f"{title} at least {size} ({cron})"
    if len(least) > 2:
        yield counted(len(least) - 2, "more schedule")


def balancers(links: Links, ground: Ground) -> Iterator[Drawn]:
    """Load balancers: forwarding rules that share an address, with all that stands behind them."""
    together: dict[str, list[Resource]] = {}
    for rule in links.of_type(*FORWARDING):
        if rule.get("load_balancing_scheme") == "" or "google_compute_service_attachment" in str(
            rule.get("target", "")
        ):
            continue  # a private door to a service of somebody else, no load balancer
        address = next((one for one in links.named_by(rule) if one.type in _ADDRESSES), None)
        together.setdefault(address.address if address else f"{rule.module} {rule.type}", []).append(rule)
    for rules in together.values():
        shown = tuple({one.address: one for rule in rules for one in _behind(links, rule)}.values())
        internal = str(rules[0].get("load_balancing_scheme", "")).startswith("INTERNAL")
        timeout = max((one.get("timeout_sec", 0) for one in shown if one.type in BACKENDS), default=0)
        everywhere = rules[0].type == FORWARDING[0]
        captions = (
            ", ".join(listeners(links, rules)),
            "internal" if internal else "global" if everywhere else "regional",
            f"backend timeout {number(timeout)} s" if timeout else "",
            "requests logged"
            if any(one.get("log_config.0.enable") is True for one in shown if one.type in BACKENDS)
            else "",
        )
        tier = Tier.PRIVATE if internal else Tier.PUBLIC
        node = Node(
            rules[0].address,
            Role.BALANCER,
            _title(shown),
            Place.ZONES,
            captions,
            tier,
            ground.zones,
            addresses(shown),
        )
        yield Drawn(node, shown)


_ADDRESSES = frozenset({"google_compute_global_address", "google_compute_address"})


def _behind(links: Links, rule: Resource) -> Iterator[Resource]:
    """The rule, its proxy, its map of paths and the services behind."""
    yield rule
    found = links.reach(rule, _PROXIES | BACKENDS, _PROXIES)
    yield from found or _unclaimed(links, rule)


def _unclaimed(links: Links, rule: Resource) -> Iterator[Resource]:
    """Where the plan hides the target (a `locals` value): the proxies that nobody else in the module has."""
    for proxy in links.of_type(*sorted(_PROXIES - _MAPS)):
        users = [one for one in links.naming(proxy) if one.type in FORWARDING]
        if proxy.module == rule.module and not users:
            yield proxy
            yield from links.reach(proxy, _PROXIES | BACKENDS, _PROXIES)


def _title(shown: tuple[Resource, ...]) -> str:
    application = any("_http" in one.type or one.type in _MAPS for one in shown)
    return "Application Load Balancer" if application else "Network Load Balancer"


def listeners(links: Links, rules: list[Resource] | tuple[Resource, ...]) -> tuple[str, ...]:
    """Protocol and port of each forwarding rule, those that only redirect marked as such."""
    found = []
    for rule in rules:
        if rule.type not in FORWARDING:
            continue
        behind = list(_behind(links, rule))
        secure = any("https_proxy" in one.type or "ssl_proxy" in one.type for one in behind)
        web = any("_http" in one.type for one in behind)
        protocol = "HTTPS" if secure else "HTTP" if web else text_of(rule.values, "ip_protocol") or "TCP"
        port = str(rule.get("port_range") or (rule.get("ports") or [""])[0]).partition("-")[0]
        redirects = any(one.type in _MAPS and _redirects(one.values) for one in behind)
        found.append((redirects, f"{protocol} {port}".strip()))
    return tuple(
        dict.fromkeys(f"{words} redirects" if redirects else words for redirects, words in sorted(found))
    )


def _redirects(url_map: Mapping[str, Any]) -> bool:
    """Whether everything that comes in is only told to ask elsewhere."""
    return bool(url_map.get("default_url_redirect")) and not url_map.get("path_matcher")


def gateways(links: Links, ground: Ground) -> Iterator[Drawn]:
    """The address that users reach, and Cloud NAT."""
    used = {
        one.address
        for rule in links.of_type(*FORWARDING)
        if not str(rule.get("load_balancing_scheme", "")).startswith("INTERNAL")
        for one in links.named_by(rule)
    }
    doors = tuple(one for one in links.of_type(*sorted(_ADDRESSES)) if one.address in used)
    if doors:
        world = any(one.type == "google_compute_global_address" for one in doors)
        title = "Global IP address" if world else "IP address"
        yield Drawn(
            Node(doors[0].address, Role.GATEWAY, title, Place.GATEWAY, detail=addresses(doors)), doors
        )
    for nat in links.of_type("google_compute_router_nat"):
        fixed = [one for one in links.named_by(nat) if one.type == "google_compute_address"]
        routers = [one for one in links.named_by(nat) if one.type == "google_compute_router"]
        captions = ("for all zones", counted(len(fixed), "fixed address", "fixed addresses") if fixed else "")
        shown = (nat, *routers, *fixed)
        node = Node(
            nat.address,
            Role.NAT,
            "Cloud NAT",
            Place.ZONES,
            captions,
            Tier.PUBLIC,
            ground.zones[:1],
            addresses(shown),
        )
        yield Drawn(node, shown)


ACCESS = "private-google-access"


def endpoints(links: Links) -> Iterator[Drawn]:
    """Private Google Access: the APIs without a public address. It is a setting of subnetworks."""
    subnets = links.of_type("google_compute_subnetwork")
    with_access = [one for one in subnets if one.get("private_ip_google_access") is True]
    if with_access:
        detail = f"Private Google Access of\n{addresses(with_access)}"
        yield Drawn(
            Node(ACCESS, Role.ENDPOINT, "Google APIs", Place.ENDPOINT, ("private access",), detail=detail),
            (),
        )
