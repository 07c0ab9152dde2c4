"""Plans for the rules about containers and secrets."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from finding_plans import Sample, case, resource, sample
from finding_stacks import machine, stacked, template


def service(**settings: Any) -> str:
    return json.dumps({"services": {"api": {"image": "x:1", "mem_limit": "1g"} | settings}})


def task(**container: Any) -> Sample:
    definitions = json.dumps([{"name": "api", "image": "x:1", "memory": 512} | container])
    return sample(resource("aws_ecs_task_definition.a", container_definitions=definitions))


case(
    "containers.image-not-pinned",
    reported=[
        stacked(service(image="nginx:latest")),
        stacked(service(image="registry.example.com:5000/squid")),
        task(image="redis"),
        machine(json.dumps({"files": {"app/compose.yaml": service(image="nginx")}})),
    ],
    silent=[
        stacked(),
        stacked(service(image="nginx@sha256:0123")),
        stacked(service(image="registry.example.com:5000/squid:6.6")),
        template(unknown={"user_data": True}),
    ],
)
case(
    "containers.privileged",
    reported=[
        stacked(service(privileged=True)),
        stacked(service(volumes=["/var/run/docker.sock:/var/run/docker.sock"])),
        stacked(service(pid="host")),
        task(privileged=True),
        sample(
            resource(
                "aws_ecs_task_definition.a",
                container_definitions=json.dumps([{"name": "api", "image": "x:1"}]),
                pid_mode="host",
            )
        ),
    ],
    silent=[stacked(), stacked(service(cap_add=["SYS_PTRACE"]))],
)
case(
    "containers.no-memory-limit",
    reported=[stacked(json.dumps({"services": {"api": {"image": "x:1"}}}))],
    silent=[
        stacked(),
        stacked(service(mem_limit=None, deploy={"resources": {"limits": {"memory": "1g"}}})),
        task(),
    ],
)
case(
    "containers.database-tls-off",
    reported=[stacked(env="DB_SSL_MODE=disable\n"), stacked(env="DB_EXTRAS=sslmode=disable\n")],
    silent=[stacked(env="DB_SSL_MODE=require\nDB_EXTRAS=sslmode=require\n"), stacked()],
)
case(
    "containers.errors-only-logged",
    reported=[stacked(env="LOG_LEVEL=ERROR\n")],
    silent=[stacked(), stacked(env="LOG_LEVEL=WARNING\n")],
)
case(
    "containers.secret-key-shared",
    reported=[stacked(env="SECRET_KEY=${secret.one}\nINNER_API_KEY=${secret.one}\n")],
    silent=[
        stacked(env="SECRET_KEY=${secret.one}\nINNER_API_KEY=${secret.two}\n"),
        stacked(env="SECRET_KEY=\nA=\n"),
    ],
)
case(
    "containers.secret-in-environment",
    reported=[
        stacked(env="DB_PASSWORD=correct-horse-battery\n"),
        task(environment=[{"name": "OPENAI_API_KEY", "value": "sk-" + "a" * 40}]),
    ],
    silent=[
        stacked(env="DB_PASSWORD=${secret.database_password}\nOPENAPI_RATE_LIMIT_PER_TOKEN=60\n"),
        stacked(env="MODEL_TOKEN_FILE=/run/token\nSECRET_ARN=arn:aws:secretsmanager:x\n"),
    ],
)

# Secrets.

case(
    "secrets.published-default",
    reported=[
        stacked(env="CODE_EXECUTION_API_KEY=dify-sandbox\n"),
        task(environment=[{"name": "DB_PASSWORD", "value": "difyai123456"}]),
    ],
    silent=[stacked(env="CODE_EXECUTION_API_KEY=${secret.sandbox}\n")],
)
case(
    "secrets.value-in-state",
    reported=[
        sample(resource("aws_db_instance.a", password="correct-horse")),
        sample(resource("aws_db_instance.a", unknown={"password": True})),
        sample(resource("aws_elasticache_replication_group.a", auth_token="correct-horse")),
        sample(resource("aws_secretsmanager_secret_version.a", secret_string="correct-horse")),
    ],
    silent=[
        sample(resource("aws_db_instance.a", password=None, password_wo=None, password_wo_version=1)),
        sample(resource("aws_rds_cluster.a", manage_master_user_password=True)),
    ],
)
case(
    "secrets.generated-into-state",
    reported=[sample(resource("random_password.a", unknown={"result": True}))],
    silent=[sample(resource("random_id.a"))],
)
case(
    "secrets.in-user-data",
    reported=[
        machine("#!/bin/sh\nexport AWS_ACCESS_KEY_ID=AKIA" + "A" * 16 + "\n"),
        machine("DB_PASSWORD=correct-horse-battery\n"),
        sample(resource("aws_instance.a", user_data="-----BEGIN RSA PRIVATE KEY-----\n")),
        sample(
            resource(
                "aws_s3_object.bundle",
                content_base64=base64.b64encode(gzip.compress(b"API_KEY=correct-horse-battery\n")).decode(),
            )
        ),
    ],
    silent=[
        machine("#cloud-config\nwrite_files:\n- {path: /etc/x.env, content: 'DB_PASSWORD=${secret.db}'}\n"),
        machine("#!/bin/sh\npassword=$(aws secretsmanager get-secret-value)\n"),
        template(unknown={"user_data": True}),
        template(),
    ],
)
case(
    "secrets.in-tags",
    reported=[
        sample(resource("aws_s3_bucket.a", tags={"api_key": "correct-horse-battery"})),
        sample(resource("aws_s3_bucket.a", tags={"note": "AKIA" + "B" * 16})),
    ],
    silent=[
        sample(resource("aws_s3_bucket.a", tags={"Name": "dify", "CostCentre": "AI-12345"})),
        sample(resource("aws_s3_bucket.a", tags={"secret": "true"})),
    ],
)
case(
    "secrets.in-variables",
    reported=[
        sample(variables={"db_password": "DifyRdsPassword123!"}),
        sample(variables={"note": "ghp_" + "a" * 36}),
    ],
    silent=[
        sample(variables={"secret_references": {"a": "arn:aws:x"}, "name": "dify", "db_password": None}),
        sample(variables={"password_secret": "arn:aws:secretsmanager:eu-central-1:1:secret:x"}),
    ],
)
case(
    "secrets.parameter-not-encrypted",
    reported=[sample(resource("aws_ssm_parameter.a", name="/dify/db_password", type="String"))],
    silent=[
        sample(resource("aws_ssm_parameter.a", name="/dify/db_password", type="SecureString")),
        sample(resource("aws_ssm_parameter.a", name="/cloudberth/dify/release", type="String")),
    ],
)
case(
    "secrets.deleted-at-once",
    reported=[sample(resource("aws_secretsmanager_secret.a", recovery_window_in_days=0))],
    silent=[
        sample(resource("aws_secretsmanager_secret.a", recovery_window_in_days=7)),
        sample(resource("aws_secretsmanager_secret.a")),
    ],
)
case(
    "secrets.key-not-rotated",
    reported=[sample(resource("aws_kms_key.a"))],
    silent=[
        sample(resource("aws_kms_key.a", enable_key_rotation=True)),
        sample(resource("aws_kms_key.a", customer_master_key_spec="RSA_2048", key_usage="SIGN_VERIFY")),
    ],
)

# The registry.


def repository(**values: Any) -> Sample:
    return sample(resource("aws_ecr_repository.a", **values))


SCANNED = [{"scan_on_push": True}]
case(
    "containers.registry-tags-move",
    reported=[repository(), repository(image_tag_mutability="MUTABLE")],
    silent=[repository(image_tag_mutability="IMMUTABLE")],
)
case(
    "containers.registry-not-scanned",
    reported=[
        repository(),
        repository(image_scanning_configuration=[{"scan_on_push": False}]),
    ],
    silent=[
        repository(image_scanning_configuration=SCANNED),
        sample(resource("aws_ecr_repository.a"), resource("aws_ecr_registry_scanning_configuration.a")),
    ],
)
