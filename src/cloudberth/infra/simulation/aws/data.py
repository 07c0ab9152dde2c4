"""AWS data sources, ephemeral resources and what the simulated account keeps outside Terraform's state."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloudberth.infra.simulation.aws import policy
from cloudberth.infra.simulation.behaviour import Account, Subject, Unanswerable, digest
from cloudberth.infra.simulation.values import Value

Found = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Query:
    """A data source's configuration and where it is asked. settings: the provider block."""

    region: str
    partition: str
    suffix: str
    account: str
    config: Mapping[str, Value]
    settings: Mapping[str, Value]

    def text(self, name: str) -> str:
        value = self.config.get(name)
        return value if isinstance(value, str) else ""

    def filter(self, name: str) -> list[str]:
        """Values of the `filter` block with this name."""
        for block in self.config.get("filter") or ():
            if block.get("name") == name:
                return [str(value) for value in block.get("values") or ()]
        return []

    def hexadecimal(self, length: int) -> str:
        return digest(length, self.region, self.config)


ZONE_LETTERS: Final[Mapping[str, str]] = {
    "ap-northeast-1": "acd",
    "ap-northeast-2": "abcd",
    "ca-central-1": "abd",
    "us-east-1": "abcdef",
    "us-west-1": "ac",
    "us-west-2": "abcd",
}
"""Regions whose zones a new account sees are not a, b and c."""

BALANCER_ACCOUNTS: Final[Mapping[str, str]] = {
    "ap-northeast-1": "582318560864",
    "ap-northeast-2": "600734575887",
    "ap-south-1": "718504428378",
    "ap-southeast-1": "114774131450",
    "ap-southeast-2": "783225319266",
    "ca-central-1": "985666609251",
    "eu-central-1": "054676820928",
    "eu-north-1": "897822967062",
    "eu-west-1": "156460612806",
    "eu-west-2": "652711504416",
    "eu-west-3": "009996457667",
    "sa-east-1": "507241528517",
    "us-east-1": "127311923021",
    "us-east-2": "033677994240",
    "us-west-1": "027434742980",
    "us-west-2": "797873946194",
}
"""The account that writes load balancer access logs (ELB user guide, "Enable access logs")."""

MANAGED_POLICIES: Final[Mapping[str, str]] = {
    "Managed-AllViewer": "216adef6-5c7f-47e4-b989-5492eafa07d3",
    "Managed-AllViewerExceptHostHeader": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
    "Managed-CORS-S3Origin": "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
    "Managed-CachingDisabled": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    "Managed-CachingOptimized": "658327ea-f89d-4fab-a63d-7e88639e58f6",
    "Managed-CachingOptimizedForUncompressedObjects": "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
    "Managed-SecurityHeadersPolicy": "67f7725c-6f97-4210-82d7-5512b31e9d03",
    "UseOriginCacheControlHeaders": "83da9c7e-98b4-4e11-a168-04f0df8e2c65",
    "UseOriginCacheControlHeaders-QueryStrings": "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
}
"""CloudFront's managed policies (CloudFront developer guide)."""


def zone_code(region: str) -> str:
    """The short form of a region in zone ids: euc1 for eu-central-1, use1, apse2, usgw1."""
    parts = region.split("-")
    words = {"central": "c", "north": "n", "south": "s", "east": "e", "west": "w"}
    direction = parts[-2]
    short = "".join(words[word] for word in ("north", "south", "central") if direction.startswith(word))
    short += "".join(words[word] for word in ("east", "west") if direction.endswith(word))
    area = "usg" if parts[:2] == ["us", "gov"] else parts[0]
    return f"{area}{short}{parts[-1]}"


def _availability_zones(query: Query) -> Found:
    excluded = query.config.get("exclude_names") or ()
    letters = ZONE_LETTERS.get(query.region, "abc")
    zones = [
        (query.region + letter, f"{zone_code(query.region)}-az{number}")
        for number, letter in enumerate(letters, start=1)
        if query.region + letter not in excluded
    ]
    return {
        "id": query.region,
        "names": [name for name, _ in zones],
        "zone_ids": [identifier for _, identifier in zones],
        "group_names": [f"{query.region}-zg-1"],
    }


def _availability_zone(query: Query) -> Found:
    name = query.text("name") or query.region + "a"
    return {"id": name, "name": name, "name_suffix": name[-1], "region": query.region, "state": "available"}


def _caller_identity(query: Query) -> Found:
    arn = f"arn:{query.partition}:sts::{query.account}:assumed-role/rehearsal/rehearsal"
    return {
        "id": query.account,
        "account_id": query.account,
        "arn": arn,
        "user_id": "AROAREHEARSAL:rehearsal",
    }


def _region(query: Query) -> Found:
    name = query.text("name") or query.region
    endpoint = f"ec2.{name}.{query.suffix}"
    return {"id": name, "name": name, "region": name, "endpoint": endpoint, "description": name}


def _partition(query: Query) -> Found:
    reverse = ".".join(reversed(query.suffix.split(".")))
    return {
        "id": query.partition,
        "partition": query.partition,
        "dns_suffix": query.suffix,
        "reverse_dns_prefix": reverse,
    }


def _ami(query: Query) -> Found:
    image = f"ami-0{query.hexadecimal(16)}"
    names = " ".join(query.filter("name")) + query.text("name_regex")
    arm = "arm64" in names or "aarch64" in names
    architecture = (query.filter("architecture") or ["arm64" if arm else "x86_64"])[0]
    return {
        "id": image,
        "image_id": image,
        "arn": f"arn:{query.partition}:ec2:{query.region}::image/{image}",
        "architecture": architecture,
        "name": (query.filter("name") or ["simulated"])[0].replace("*", "simulated"),
        "root_device_name": "/dev/xvda",
        "root_device_type": "ebs",
        "state": "available",
        "virtualization_type": "hvm",
        "ena_support": True,
        "public": True,
    }


def _ssm_parameter(query: Query) -> Found:
    name = query.text("name")
    image = "/ami" in name or "image_id" in name or "image-id" in name
    value = f"ami-0{digest(16, query.region, name)}" if image else f"simulated value of {name}"
    return {
        "id": name,
        "arn": f"arn:{query.partition}:ssm:{query.region}:{query.account}:parameter/{name.lstrip('/')}",
        "type": "String",
        "value": value,
        "insecure_value": value,
        "version": 1,
    }


def _route53_zone(query: Query) -> Found:
    name = query.text("name").removesuffix(".") or "example.com"
    zone = query.text("zone_id") or f"Z{digest(20, name).upper()}"
    return {
        "id": zone,
        "zone_id": zone,
        "name": name,
        "arn": f"arn:{query.partition}:route53:::hostedzone/{zone}",
        "name_servers": ["ns-1.awsdns-00.com", "ns-2.awsdns-01.net", "ns-3.awsdns-02.org"],
        "primary_name_server": "ns-1.awsdns-00.com",
        "private_zone": bool(query.config.get("private_zone")),
        "resource_record_set_count": 2,
        "comment": "",
    }


def _prefix_list(query: Query) -> Found:
    name = query.text("name") or (query.filter("prefix-list-name") or ["simulated"])[0]
    identifier = f"pl-{digest(8, query.region, name)}"
    return {
        "id": identifier,
        "name": name,
        "arn": f"arn:{query.partition}:ec2:{query.region}:aws:prefix-list/{identifier}",
        "owner_id": "AWS",
        "address_family": "IPv4",
        "entries": [{"cidr": "203.0.113.0/24", "description": "simulated"}],
        "max_entries": 55,
        "version": 1,
    }


def _policy_document(query: Query) -> Found:
    text, minified = policy.render(query.config)
    return {"id": str(int(digest(8, text), 16)), "json": text, "minified_json": minified}


def _elb_service_account(query: Query) -> Found:
    account = BALANCER_ACCOUNTS.get(query.region, query.account)
    return {"id": account, "arn": f"arn:{query.partition}:iam::{account}:root"}


def _cloudfront_policy(query: Query) -> Found:
    name = query.text("name")
    identifier = query.text("id") or MANAGED_POLICIES.get(name) or query.hexadecimal(32)
    return {"id": identifier, "name": name, "etag": "E23ZP02F085DFQ"}


def _iam_policy(query: Query) -> Found:
    name = query.text("name") or query.text("arn").rpartition("/")[2]
    arn = query.text("arn") or f"arn:{query.partition}:iam::aws:policy/{name}"
    return {"id": arn, "arn": arn, "name": name, "path": "/"}


def _engine_version(query: Query) -> Found:
    engine = query.text("engine")
    preferred = [str(item) for item in query.config.get("preferred_versions") or ()]
    version = query.text("version") or (preferred or ["17.6"])[0]
    major = version.split(".")[0]
    joint = ".".join(version.split(".")[:2]) if "mysql" in engine or engine == "mariadb" else major
    return {
        "version": version if "." in version else f"{version}.6",
        "version_actual": version if "." in version else f"{version}.6",
        "parameter_group_family": query.text("parameter_group_family") or f"{engine}{joint}",
        "status": "available",
        "supports_read_replica": True,
    }


def _orderable_instance(query: Query) -> Found:
    preferred = [str(item) for item in query.config.get("preferred_instance_classes") or ()]
    return {"instance_class": query.text("instance_class") or (preferred or ["db.t4g.medium"])[0]}


def is_arm(instance_type: str) -> bool:
    """Graviton families have a g after the generation: t4g, m7g, c7gd, x2gd."""
    family = instance_type.removeprefix("db.").removeprefix("cache.").partition(".")[0]
    generation = family.lstrip(string.ascii_lowercase)
    return family.startswith("a1") or "g" in generation.lstrip(string.digits)[:1]


def _instance_type(query: Query) -> Found:
    name = query.text("instance_type")
    return {
        "id": name,
        "supported_architectures": ["arm64" if is_arm(name) else "x86_64"],
        "current_generation": True,
        "hypervisor": "nitro",
        "ebs_encryption_support": "supported",
        "supported_usages_classes": ["on-demand", "spot"],
    }


def _type_offerings(query: Query) -> Found:
    types = query.filter("instance-type")
    zones = query.config.get("location_type") == "availability-zone"
    places = (
        [query.region + letter for letter in ZONE_LETTERS.get(query.region, "abc")]
        if zones
        else [query.region]
    )
    pairs = [(kind, place) for kind in types for place in places]
    return {
        "instance_types": [kind for kind, _ in pairs],
        "locations": [place for _, place in pairs],
        "location_types": [query.text("location_type") or "region" for _ in pairs],
    }


def _subnets(query: Query) -> Found:
    return {"id": query.region, "ids": [f"subnet-0{digest(16, query.config, i)}" for i in range(3)]}


def _default_tags(query: Query) -> Found:
    tags: dict[str, Value] = {}
    for block in query.settings.get("default_tags") or ():
        tags.update(block.get("tags") or {})
    return {"id": query.partition, "tags": tags}


def _regions(query: Query) -> Found:
    names = query.filter("region-name") or sorted(BALANCER_ACCOUNTS)
    return {"id": query.partition, "names": names}


def _canonical_user(query: Query) -> Found:
    return {"id": digest(64, query.account), "display_name": "rehearsal"}


def _secret(query: Query) -> Found:
    name = query.text("name") or query.text("arn").rpartition(":")[2]
    suffix = digest(6, name)
    arn = (
        query.text("arn")
        or f"arn:{query.partition}:secretsmanager:{query.region}:{query.account}:secret:{name}-{suffix}"
    )
    return {"id": arn, "arn": arn, "name": name}


SOURCES: Final[Mapping[str, Callable[[Query], Found]]] = {
    "aws_ami": _ami,
    "aws_availability_zone": _availability_zone,
    "aws_availability_zones": _availability_zones,
    "aws_caller_identity": _caller_identity,
    "aws_canonical_user_id": _canonical_user,
    "aws_cloudfront_cache_policy": _cloudfront_policy,
    "aws_cloudfront_origin_request_policy": _cloudfront_policy,
    "aws_cloudfront_response_headers_policy": _cloudfront_policy,
    "aws_default_tags": _default_tags,
    "aws_ec2_instance_type": _instance_type,
    "aws_ec2_instance_type_offerings": _type_offerings,
    "aws_ec2_managed_prefix_list": _prefix_list,
    "aws_elb_service_account": _elb_service_account,
    "aws_iam_policy": _iam_policy,
    "aws_iam_policy_document": _policy_document,
    "aws_partition": _partition,
    "aws_prefix_list": _prefix_list,
    "aws_rds_engine_version": _engine_version,
    "aws_rds_orderable_db_instance": _orderable_instance,
    "aws_region": _region,
    "aws_regions": _regions,
    "aws_route53_zone": _route53_zone,
    "aws_secretsmanager_secret": _secret,
    "aws_ssm_parameter": _ssm_parameter,
    "aws_subnets": _subnets,
}
"""Data source → its attributes; the others are invented from the schema and the patterns of shapes.py."""

IMPORT_ARGUMENT: Final[Mapping[str, str]] = {
    "aws_autoscaling_group": "name",
    "aws_cloudwatch_log_group": "name",
    "aws_cloudwatch_metric_alarm": "alarm_name",
    "aws_db_instance": "identifier",
    "aws_db_subnet_group": "name",
    "aws_elasticache_replication_group": "replication_group_id",
    "aws_iam_instance_profile": "name",
    "aws_iam_role": "name",
    "aws_rds_cluster": "cluster_identifier",
    "aws_s3_bucket": "bucket",
    "aws_ssm_parameter": "name",
}
"""The argument that an import identifier is, where the provider's documentation says so."""


# ---- secrets: values that live in the account, never in the state ------------------------------------------


def remember(account: Account, name: str, values: Found, config: Found) -> None:
    """Keep what was written into a secret store, so that an ephemeral read returns it."""
    if name == "aws_secretsmanager_secret_version":
        written = config.get("secret_string_wo") or config.get("secret_string")
        key = str(values.get("secret_id"))
    elif name == "aws_ssm_parameter":
        written = config.get("value_wo") or config.get("value") or config.get("insecure_value")
        key = str(values.get("name"))
    else:
        return
    with account.lock:
        account.store[f"{name}:{key}"] = str(written) if written else f"simulated-{digest(24, name, key)}"


def recall(account: Account, name: str, values: Found) -> None:
    """A resource found in the state: its secret exists, though this process never saw the value."""
    if f"{name}:{values.get('secret_id')}" not in account.store:
        remember(account, name, values, {})


def _password(_: Account, config: Found) -> Found:
    """Secrets Manager's GetRandomPassword."""
    excluded = set(config.get("exclude_characters") or "")
    kinds = [
        ("exclude_lowercase", string.ascii_lowercase),
        ("exclude_uppercase", string.ascii_uppercase),
        ("exclude_numbers", string.digits),
        ("exclude_punctuation", string.punctuation),
    ]
    pools = [sorted(set(pool) - excluded) for flag, pool in kinds if not config.get(flag)]
    pools = [pool for pool in pools if pool]
    everything = [character for pool in pools for character in pool] + [" "] * bool(
        config.get("include_space")
    )
    if not everything:
        raise Unanswerable("InvalidParameterException: no characters are left to make a password of")
    size = int(config.get("password_length") or 32)
    required = [] if config.get("require_each_included_type") is False else [secrets.choice(p) for p in pools]
    chosen = required[:size] + [secrets.choice(everything) for _ in range(size - len(required))]
    secrets.SystemRandom().shuffle(chosen)
    return {"random_password": "".join(chosen)}


def _secret_value(account: Account, config: Found) -> Found:
    key = str(config.get("secret_id"))
    with account.lock:
        value = account.store.get(f"aws_secretsmanager_secret_version:{key}")
        ours = ("aws_secretsmanager_secret", key) in account.objects
    if value is None and ours:
        raise Unanswerable(
            f"ResourceNotFoundException: Secrets Manager can't find the specified secret value of {key} for "
            "staging label AWSCURRENT: nothing was written yet (is a depends_on missing?)"
        )
    return {
        "arn": key,
        "secret_string": value or f"simulated-{digest(24, 'external', key)}",
        "secret_binary": "",
        "version_stages": ["AWSCURRENT"],
    }


def _parameter_value(account: Account, config: Found) -> Found:
    name = str(config.get("name") or config.get("arn"))
    with account.lock:
        value = account.store.get(f"aws_ssm_parameter:{name}")
    return {
        "name": name,
        "value": value or f"simulated-{digest(24, 'external', name)}",
        "type": "SecureString",
    }


EPHEMERAL: Final[Mapping[str, Callable[[Account, Found], Found]]] = {
    "aws_secretsmanager_random_password": _password,
    "aws_secretsmanager_secret_version": _secret_value,
    "aws_ssm_parameter": _parameter_value,
}


def counted_up(subject: Subject, attribute: str) -> Any:
    """Version numbers go up by one at each change in place; None for everything else."""
    before = subject.before.get(attribute)
    if attribute in ("latest_version", "default_version", "version") and isinstance(before, int):
        return before + 1
    return None
