"""Plans for the rules about network and balancer."""

from __future__ import annotations

from typing import Any

from finding_plans import Sample, case, resource, sample

WORLD, WORLD6 = ["0.0.0.0/0"], ["::/0"]


def ingress(first: int, last: int, protocol: str = "tcp", ranges: list[str] | None = None) -> dict[str, Any]:
    return {
        "from_port": first,
        "to_port": last,
        "protocol": protocol,
        "cidr_blocks": WORLD if ranges is None else ranges,
        "ipv6_cidr_blocks": [],
    }


def group(*rules: dict[str, Any]) -> Sample:
    return sample(resource("aws_security_group.a", ingress=list(rules), egress=[]))


def single(first: int | None, last: int | None, protocol: str, **ranges: str) -> Sample:
    return sample(
        resource(
            "aws_vpc_security_group_ingress_rule.a",
            from_port=first,
            to_port=last,
            ip_protocol=protocol,
            **ranges,
        )
    )


def old_style(first: int, last: int, kind: str = "ingress", **ranges: list[str]) -> Sample:
    return sample(
        resource(
            "aws_security_group_rule.a", type=kind, from_port=first, to_port=last, protocol="tcp", **ranges
        )
    )


case(
    "network.all-ports-open",
    reported=[
        group(ingress(0, 0, "-1")),
        single(None, None, "-1", cidr_ipv6="::/0"),
        old_style(0, 65535, cidr_blocks=["0.0.0.0/0"]),
    ],
    silent=[
        group(ingress(443, 443)),
        group(ingress(0, 0, "-1", ["10.0.0.0/8"])),
        single(None, None, "-1", referenced_security_group_id="sg-1"),
        old_style(0, 65535, "egress", cidr_blocks=["0.0.0.0/0"]),
    ],
)
case(
    "network.admin-port-open",
    reported=[
        group(ingress(22, 22, ranges=["203.0.113.4/32", "0.0.0.0/0"])),
        group(ingress(22, 22)),
        single(3380, 3400, "tcp", cidr_ipv4="0.0.0.0/0"),
    ],
    silent=[group(ingress(22, 22, ranges=["203.0.113.4/32"])), group(ingress(443, 443))],
)
case(
    "network.data-port-open",
    reported=[
        single(5432, 5432, "tcp", cidr_ipv4="0.0.0.0/0"),
        old_style(6379, 6379, ipv6_cidr_blocks=WORLD6),
    ],
    silent=[single(5432, 5432, "tcp", cidr_ipv4="10.0.0.0/16"), group(ingress(80, 80))],
)
case(
    "network.security-group-open",
    reported=[group(ingress(8080, 8080)), group(ingress(80, 443))],
    silent=[
        group(ingress(80, 80), ingress(443, 443)),
        group(ingress(443, 443, "udp")),
        group(ingress(8, 0, "icmp")),
        sample(resource("aws_security_group.a", unknown={"ingress": True})),
    ],
)
DATABASE = resource("aws_db_instance.a", references=["aws_security_group.data"])
case(
    "network.data-egress-open",
    reported=[
        sample(
            resource("aws_security_group.data", egress=[ingress(0, 0, "-1")]),
            DATABASE,
        ),
        sample(
            resource("aws_security_group.data", egress=[]),
            resource(
                "aws_vpc_security_group_egress_rule.a",
                cidr_ipv4="0.0.0.0/0",
                unknown={"security_group_id": True},
                references=["aws_security_group.data"],
            ),
            DATABASE,
        ),
    ],
    silent=[
        sample(resource("aws_security_group.data", egress=[]), DATABASE),
        sample(resource("aws_security_group.app", egress=[ingress(0, 0, "-1")]), DATABASE),
    ],
)
VPC = resource("aws_vpc.a", cidr_block="10.0.0.0/16", unknown={"id": True})
case(
    "network.flow-logs-off",
    reported=[
        sample(VPC),
        sample(VPC, resource("aws_flow_log.other", vpc_id="vpc-7")),
    ],
    silent=[
        sample(VPC, resource("aws_flow_log.a", unknown={"vpc_id": True}, references=["aws_vpc.a"])),
        sample(VPC, resource("aws_flow_log.a", unknown={"vpc_id": True})),
        sample(resource("aws_vpc.a", id="vpc-7"), resource("aws_flow_log.a", vpc_id="vpc-7")),
    ],
)
case(
    "network.subnet-auto-public-ip",
    reported=[sample(resource("aws_subnet.a", map_public_ip_on_launch=True))],
    silent=[
        sample(resource("aws_subnet.a", map_public_ip_on_launch=False)),
        sample(resource("aws_subnet.a")),
    ],
)
ZONE_A = resource("aws_subnet.a", availability_zone="eu-central-1a")
ZONE_B = resource("aws_subnet.b", availability_zone="eu-central-1b")
case(
    "network.single-zone",
    reported=[sample(ZONE_A, resource("aws_subnet.c", availability_zone="eu-central-1a"))],
    silent=[
        sample(ZONE_A, ZONE_B),
        sample(ZONE_A, resource("aws_subnet.b", unknown={"availability_zone": True})),
    ],
)
ROUTED = (
    resource("aws_internet_gateway.a"),
    resource("aws_route_table.public"),
    resource("aws_route_table.private"),
    resource(
        "aws_route.out",
        destination_cidr_block="0.0.0.0/0",
        unknown={"gateway_id": True, "route_table_id": True},
        references=["aws_route_table.public", "aws_internet_gateway.a"],
    ),
    resource('aws_subnet.public["a"]'),
    resource('aws_subnet.data["a"]'),
    resource(
        'aws_route_table_association.public["a"]',
        unknown={"subnet_id": True, "route_table_id": True},
        references=["aws_subnet.public", "aws_route_table.public"],
    ),
    resource(
        'aws_route_table_association.data["a"]',
        unknown={"subnet_id": True, "route_table_id": True},
        references=["aws_subnet.data", "aws_route_table.private"],
    ),
)
case(
    "network.data-in-public-subnet",
    reported=[
        sample(
            *ROUTED,
            resource("aws_db_subnet_group.a", unknown={"subnet_ids": True}, references=["aws_subnet.public"]),
        )
    ],
    silent=[
        sample(
            *ROUTED,
            resource("aws_db_subnet_group.a", unknown={"subnet_ids": True}, references=["aws_subnet.data"]),
        )
    ],
)
NAT = resource("aws_nat_gateway.a[0]")
case(
    "network.single-nat",
    reported=[sample(ZONE_A, ZONE_B, NAT), sample(ZONE_A, ZONE_B, NAT, size="large")],
    silent=[
        sample(ZONE_A, ZONE_B, NAT, resource("aws_nat_gateway.a[1]")),
        sample(ZONE_A, ZONE_B, NAT, size="small"),
        sample(ZONE_A, NAT),
        sample(ZONE_A, ZONE_B, resource("aws_nat_gateway.a", availability_mode="regional")),
    ],
)

# The balancer.

LB = resource("aws_lb.a", load_balancer_type="application", internal=False, idle_timeout=600)
REDIRECT = [
    {"type": "redirect", "redirect": [{"protocol": "HTTPS", "port": "443", "status_code": "HTTP_301"}]}
]
TO_HTTP = [{"type": "redirect", "redirect": [{"protocol": "HTTP", "status_code": "HTTP_301"}]}]
FORWARD = [{"type": "forward", "target_group_arn": "arn:aws:elasticloadbalancing:x"}]


def listener(name: str, protocol: str, action: Any = FORWARD, **more: Any) -> Any:
    return resource(
        f"aws_lb_listener.{name}",
        protocol=protocol,
        default_action=action,
        unknown={"load_balancer_arn": True},
        references=["aws_lb.a"],
        **more,
    )


HTTPS = listener("https", "HTTPS", ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06")
case(
    "balancer.no-https",
    reported=[sample(LB, listener("http", "HTTP"))],
    silent=[
        sample(LB, listener("http", "HTTP", REDIRECT), HTTPS),
        sample(LB),
        sample(resource("aws_lb.a", internal=True), listener("http", "HTTP")),
        sample(resource("aws_lb.a", load_balancer_type="network"), listener("tcp", "TCP")),
    ],
)
case(
    "balancer.http-without-redirect",
    reported=[
        sample(LB, listener("http", "HTTP"), HTTPS),
        sample(LB, listener("http", "HTTP", [*FORWARD, *TO_HTTP]), HTTPS),
    ],
    silent=[sample(LB, listener("http", "HTTP", REDIRECT), HTTPS), sample(LB, listener("http", "HTTP"))],
)
case(
    "balancer.old-tls",
    reported=[
        sample(listener("https", "HTTPS", ssl_policy="ELBSecurityPolicy-2016-08")),
        sample(listener("https", "HTTPS", ssl_policy="ELBSecurityPolicy-TLS13-1-1-2021-06")),
    ],
    silent=[
        sample(HTTPS),
        sample(listener("https", "HTTPS", ssl_policy="ELBSecurityPolicy-TLS13-1-3-2021-06")),
        sample(resource("aws_lb_listener.a", protocol="HTTPS", unknown={"ssl_policy": True})),
    ],
)
GUNICORN = {"app/compose.yaml": "services: {api: {image: 'x:1', environment: {GUNICORN_TIMEOUT: '900'}}}"}
case(
    "balancer.idle-timeout-short",
    reported=[
        sample(resource("aws_lb.a", idle_timeout=60)),
        sample(resource("aws_lb.a")),
        sample(LB, stack=GUNICORN),
    ],
    silent=[
        sample(LB),
        sample(resource("aws_lb.a", load_balancer_type="network")),
        sample(resource("aws_lb.a", unknown={"idle_timeout": True})),
        sample(resource("aws_lb.a", idle_timeout=360)),
    ],
)
case(
    "balancer.access-logs-off",
    reported=[
        sample(resource("aws_lb.a", access_logs=[])),
        sample(resource("aws_lb.a", access_logs=[{"bucket": "b", "enabled": False}])),
        sample(resource("aws_lb.a", access_logs=[{"bucket": "b"}])),
    ],
    silent=[
        sample(resource("aws_lb.a", access_logs=[{"bucket": "b", "enabled": True}])),
        sample(resource("aws_lb.a", unknown={"access_logs": True})),
    ],
)
case(
    "balancer.deletion-protection-off",
    reported=[sample(LB)],
    silent=[sample(resource("aws_lb.a", enable_deletion_protection=True)), sample(LB, size="small")],
)
case(
    "balancer.invalid-headers-kept",
    reported=[sample(LB)],
    silent=[
        sample(resource("aws_lb.a", drop_invalid_header_fields=True)),
        sample(resource("aws_lb.a", load_balancer_type="network")),
    ],
)
WEB = resource("aws_security_group.lb")
OPEN_WEB = resource(
    "aws_vpc_security_group_ingress_rule.lb",
    from_port=443,
    to_port=443,
    ip_protocol="tcp",
    cidr_ipv4="0.0.0.0/0",
    unknown={"security_group_id": True},
    references=["aws_security_group.lb"],
)
OFFICE_WEB = resource(
    "aws_vpc_security_group_ingress_rule.lb",
    from_port=443,
    to_port=443,
    ip_protocol="tcp",
    cidr_ipv4="203.0.113.0/24",
    unknown={"security_group_id": True},
    references=["aws_security_group.lb"],
)
GUARDED = resource(
    "aws_lb.a", internal=False, unknown={"security_groups": True}, references=["aws_security_group.lb"]
)
case(
    "balancer.no-waf",
    reported=[sample(LB, size="large"), sample(GUARDED, WEB, OPEN_WEB)],
    silent=[
        sample(
            LB,
            resource(
                "aws_wafv2_web_acl_association.a", unknown={"resource_arn": True}, references=["aws_lb.a"]
            ),
            size="large",
        ),
        sample(GUARDED, WEB, OFFICE_WEB, size="large"),
        sample(LB, size="small"),
        sample(resource("aws_lb.a", internal=True)),
    ],
)
CERTIFICATE = resource("aws_acm_certificate.a", validation_method="DNS", domain_name="dify.example.com")
case(
    "balancer.certificate-not-validated",
    reported=[
        sample(
            CERTIFICATE,
            resource(
                "aws_lb_listener.a", unknown={"certificate_arn": True}, references=["aws_acm_certificate.a"]
            ),
        )
    ],
    silent=[
        sample(
            CERTIFICATE,
            resource(
                "aws_acm_certificate_validation.a",
                unknown={"certificate_arn": True},
                references=["aws_acm_certificate.a"],
            ),
            resource("aws_lb_listener.a", references=["aws_acm_certificate_validation.a"]),
        ),
        sample(CERTIFICATE),
        sample(
            resource("aws_acm_certificate.a", certificate_body="x", private_key="y"),
            resource("aws_lb_listener.a", references=["aws_acm_certificate.a"]),
        ),
        sample(
            resource("aws_acm_certificate.a", private_key_wo_version=1, validation_method="DNS"),
            resource("aws_lb_listener.a", references=["aws_acm_certificate.a"]),
        ),
    ],
)
case(
    "balancer.health-check-off",
    reported=[sample(resource("aws_lb_target_group.a", health_check=[{"enabled": False}]))],
    silent=[sample(resource("aws_lb_target_group.a", health_check=[{"enabled": True, "path": "/healthz"}]))],
)

case(
    "balancer.smuggling-only-watched",
    reported=[sample(resource("aws_lb.a", desync_mitigation_mode="monitor"))],
    silent=[sample(resource("aws_lb.a", desync_mitigation_mode="defensive")), sample(LB)],
)
EMPTIED = resource(
    "aws_default_security_group.a", ingress=[], egress=[], unknown={"vpc_id": True}, references=["aws_vpc.a"]
)
case(
    "network.default-group-usable",
    reported=[
        sample(VPC),
        sample(
            VPC,
            resource(
                "aws_default_security_group.a",
                ingress=[ingress(0, 0, "-1")],
                unknown={"vpc_id": True},
                references=["aws_vpc.a"],
            ),
        ),
    ],
    silent=[sample(VPC, EMPTIED)],
)
