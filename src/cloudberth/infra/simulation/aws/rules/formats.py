"""Forms of AWS names, identifiers and schedules, and allowed values that several types share."""

from __future__ import annotations

from typing import Final

from cloudberth.infra.simulation.rules import (
    between,
    conflicting,
    every,
    json_object,
    length,
    matches,
    one_of,
)

ARN: Final = matches(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|aws|cloudfront|)?:.+", "be an ARN")
REGION: Final = matches(r"[a-z]{2}(-[a-z]+)+-\d", "be the name of an AWS region such as eu-central-1")
ZONE: Final = matches(r"[a-z]{2}(-[a-z]+)+-\d[a-z]", "be a zone such as eu-central-1a")
INSTANCE_TYPE: Final = matches(
    r"[a-z][a-z0-9-]*\d[a-z0-9-]*\.[a-z0-9-]+", "be an instance type such as t4g.medium"
)
DATABASE_CLASS: Final = matches(
    r"db\.([a-z][a-z0-9-]*\d[a-z0-9-]*\.[a-z0-9.]+|serverless)", "be a database class such as db.t4g.medium"
)
CACHE_TYPE: Final = matches(
    r"cache\.[a-z][a-z0-9-]*\d[a-z0-9-]*\.[a-z0-9]+", "be a cache node type such as cache.t4g.small"
)
HYPHENATED: Final = matches(
    r"[a-z](?!.*--)[a-z0-9-]*(?<!-)",
    "start with a letter and have only lower-case letters, digits and single hyphens, none at the end",
)
DAY_WINDOW: Final = matches(
    r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", "be a daily window such as 03:00-04:00"
)
_DAY: Final = r"(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):[0-5]\d"
WEEK_WINDOW: Final = matches(rf"(?i){_DAY}-{_DAY}", "be a weekly window such as sun:05:00-sun:06:00")
UNIX_CRON: Final = matches(
    r"(@(hourly|daily|weekly|monthly|yearly|annually))|([\d*/,\-A-Za-z]+\s+){4}[\d*/,\-A-Za-z]+",
    "be a cron expression of five fields (minute hour day month weekday)",
)
AWS_SCHEDULE: Final = matches(
    r"(rate\(\d+ (minutes?|hours?|days?)\))|(cron\((\S+\s+){5}\S+\))|(at\(\S+\))",
    "be rate(…), at(…) or cron(…) with six fields",
)
BALANCER_NAME: Final = every(
    length(1, 32),
    matches(r"(?!internal-)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?",
            "have only letters, digits and hyphens, none at either end, and not start with internal-"),
)  # fmt: skip
BUCKET_NAME: Final = every(
    length(3, 63),
    matches(r"(?!xn--)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]*[a-z0-9]",
            "have only lower-case letters, digits, dots and hyphens, the last two not at either end"),
)  # fmt: skip
ROLE_NAME: Final = every(length(1, 64), matches(r"[\w+=,.@-]+", "have only letters, digits and _+=,.@-"))
IAM_NAME: Final = every(length(1, 128), matches(r"[\w+=,.@-]+", "have only letters, digits and _+=,.@-"))
ALARM_ACTIONS: Final = every(length(0, 5))
EMAIL: Final = matches(r"[^@\s]+@[^@\s]+\.[^@\s]+", "be an e-mail address")

RETENTION: Final = one_of(
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
)  # fmt: skip
STORAGE_CLASS: Final = one_of(
    "GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR"
)
COMPARISONS: Final = one_of(
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
    "LessThanLowerThreshold",
    "GreaterThanUpperThreshold",
)
VOLUME_TYPES: Final = one_of("standard", "io1", "io2", "gp2", "sc1", "st1", "gp3")
PROTOCOLS: Final = one_of("HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC")
TRANSITION_DAYS: Final = between(0, 2147483647)
PORT: Final = between(1, 65535)
NAME_OR_PREFIX: Final = conflicting("name", "name_prefix")
EMBEDDED_POLICY: Final = json_object
