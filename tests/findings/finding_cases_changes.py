"""Plans for the rules about what a plan changes."""

from __future__ import annotations

from finding_plans import case, changed

from cloudberth.infra.plan import Action

CACHE = "aws_elasticache_replication_group.a"

case(
    "changes.data-deleted",
    reported=[
        changed("aws_db_instance.a", Action.DELETE),
        changed("aws_s3_bucket.a", Action.DELETE),
        changed("aws_kms_key.a", Action.DELETE),
    ],
    silent=[changed("aws_db_instance.a", Action.NONE), changed("aws_lb.a", Action.DELETE)],
)
case(
    "changes.data-replaced",
    reported=[changed("aws_db_instance.a", Action.REPLACE), changed(CACHE, Action.REPLACE)],
    silent=[changed("aws_db_instance.a", Action.UPDATE), changed("aws_launch_template.a", Action.REPLACE)],
)
case(
    "changes.network-replaced",
    reported=[changed("aws_vpc.a", Action.REPLACE)],
    silent=[changed("aws_vpc.a", Action.UPDATE), changed("aws_vpc.a", Action.CREATE)],
)
case(
    "changes.address-replaced",
    reported=[changed("aws_lb.a", Action.REPLACE), changed("aws_eip.a", Action.DELETE)],
    silent=[changed("aws_lb.a", Action.UPDATE)],
)
case(
    "changes.protection-removed",
    reported=[
        changed("aws_db_instance.a", Action.UPDATE, {"deletion_protection": True}, deletion_protection=False),
        changed("aws_s3_bucket.a", Action.UPDATE, {"force_destroy": False}, force_destroy=True),
        changed(
            "aws_s3_bucket_versioning.a",
            Action.UPDATE,
            {"versioning_configuration": [{"status": "Enabled"}]},
            versioning_configuration=[{"status": "Suspended"}],
        ),
    ],
    silent=[
        changed("aws_db_instance.a", Action.UPDATE, {"deletion_protection": True}, deletion_protection=True),
        changed(
            "aws_db_instance.a", Action.UPDATE, {"deletion_protection": False}, deletion_protection=False
        ),
    ],
)
case(
    "changes.retention-shortened",
    reported=[
        changed(
            "aws_db_instance.a", Action.UPDATE, {"backup_retention_period": 30}, backup_retention_period=7
        ),
        changed("aws_cloudwatch_log_group.a", Action.UPDATE, {"retention_in_days": 0}, retention_in_days=30),
    ],
    silent=[
        changed(
            "aws_db_instance.a", Action.UPDATE, {"backup_retention_period": 7}, backup_retention_period=30
        ),
        changed("aws_cloudwatch_log_group.a", Action.UPDATE, {"retention_in_days": 30}, retention_in_days=0),
    ],
)
case(
    "changes.database-restarts",
    reported=[
        changed(
            "aws_db_instance.a",
            Action.UPDATE,
            {"instance_class": "db.t4g.medium"},
            instance_class="db.m7g.large",
            apply_immediately=True,
        )
    ],
    silent=[
        changed(
            "aws_db_instance.a",
            Action.UPDATE,
            {"instance_class": "db.t4g.medium"},
            instance_class="db.m7g.large",
        ),
        changed(
            "aws_db_instance.a",
            Action.UPDATE,
            {"instance_class": "db.t4g.medium"},
            instance_class="db.t4g.medium",
            apply_immediately=True,
        ),
    ],
)
