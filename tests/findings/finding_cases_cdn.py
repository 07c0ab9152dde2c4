"""Plans for the rules about the CDN."""

from __future__ import annotations

from typing import Any

from finding_plans import Sample, case, resource, sample


def cdn(**values: Any) -> Sample:
    return sample(resource("aws_cloudfront_distribution.a", **values))


ALL = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
case(
    "cdn.old-tls",
    reported=[
        cdn(
            viewer_certificate=[{"acm_certificate_arn": "arn:x", "minimum_protocol_version": "TLSv1.1_2016"}]
        ),
        cdn(viewer_certificate=[{"acm_certificate_arn": "arn:x"}]),
    ],
    silent=[
        cdn(
            viewer_certificate=[{"acm_certificate_arn": "arn:x", "minimum_protocol_version": "TLSv1.2_2021"}]
        ),
        cdn(viewer_certificate=[{"cloudfront_default_certificate": True}]),
    ],
)
case(
    "cdn.plain-http",
    reported=[
        cdn(default_cache_behavior=[{"viewer_protocol_policy": "allow-all"}]),
        cdn(ordered_cache_behavior=[{"path_pattern": "/_next/*", "viewer_protocol_policy": "allow-all"}]),
    ],
    silent=[cdn(default_cache_behavior=[{"viewer_protocol_policy": "redirect-to-https"}])],
)


def origin(**settings: Any) -> list[dict[str, Any]]:
    return [{"origin_id": "lb", "custom_origin_config": [settings]}]


case(
    "cdn.plain-origin",
    reported=[cdn(origin=origin(origin_protocol_policy="http-only"))],
    silent=[
        cdn(origin=origin(origin_protocol_policy="https-only")),
        cdn(origin=[{"origin_id": "s3", "custom_origin_config": []}]),
    ],
)
case(
    "cdn.old-tls-to-origin",
    reported=[
        cdn(origin=origin(origin_protocol_policy="https-only", origin_ssl_protocols=["TLSv1", "TLSv1.2"]))
    ],
    silent=[cdn(origin=origin(origin_protocol_policy="https-only", origin_ssl_protocols=["TLSv1.2"]))],
)
case(
    "cdn.short-origin-timeout",
    reported=[cdn(origin=origin(origin_read_timeout=30), default_cache_behavior=[{"allowed_methods": ALL}])],
    silent=[
        cdn(origin=origin(origin_read_timeout=60), default_cache_behavior=[{"allowed_methods": ALL}]),
        cdn(origin=origin(), default_cache_behavior=[{"allowed_methods": ["GET", "HEAD"]}]),
    ],
)
READ = ["GET", "HEAD"]
MIXED = {
    "default_cache_behavior": [{"allowed_methods": ALL}],
    "ordered_cache_behavior": [{"path_pattern": "/_next/*", "allowed_methods": READ}],
}
case(
    "cdn.errors-cached",
    reported=[
        cdn(default_cache_behavior=[{"allowed_methods": ALL}], custom_error_response=[]),
        cdn(**MIXED),
    ],
    silent=[
        cdn(
            default_cache_behavior=[{"allowed_methods": ALL}],
            custom_error_response=[{"error_code": 404, "error_caching_min_ttl": 0}],
        ),
        cdn(default_cache_behavior=[{"allowed_methods": ["GET", "HEAD"]}]),
    ],
)
case(
    "cdn.no-waf",
    reported=[cdn(default_cache_behavior=[{"allowed_methods": ALL}]), cdn(**MIXED)],
    silent=[
        cdn(default_cache_behavior=[{"allowed_methods": ALL}], web_acl_id="arn:aws:wafv2:x"),
        cdn(default_cache_behavior=[{"allowed_methods": ["GET", "HEAD"]}]),
    ],
)
case(
    "cdn.access-logs-off",
    reported=[cdn(logging_config=[])],
    silent=[
        cdn(logging_config=[{"bucket": "b.s3.amazonaws.com"}]),
        cdn(default_cache_behavior=[{"realtime_log_config_arn": "arn:aws:cloudfront:x"}]),
        sample(
            resource("aws_cloudfront_distribution.a"),
            resource(
                "aws_cloudwatch_log_delivery_source.a",
                unknown={"resource_arn": True},
                references=["aws_cloudfront_distribution.a"],
            ),
        ),
    ],
)
BUCKET_HOST = "files.s3.eu-central-1.amazonaws.com"
case(
    "cdn.bucket-without-identity",
    reported=[cdn(origin=[{"origin_id": "files", "domain_name": BUCKET_HOST}])],
    silent=[
        cdn(origin=[{"origin_id": "files", "domain_name": BUCKET_HOST, "origin_access_control_id": "E1"}]),
        cdn(origin=[{"origin_id": "lb", "domain_name": "lb.example.com"}]),
    ],
)
