"""Plans for the rules about identities."""

from __future__ import annotations

import json
from typing import Any

from finding_plans import Sample, case, resource, sample


def policy(kind: str = "aws_iam_policy", attribute: str = "policy", **statement: Any) -> Sample:
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | statement]})
    return sample(resource(f"{kind}.a", **{attribute: document}))


def document(kind: str, attribute: str, **statement: Any) -> Sample:
    """A policy that is not known yet, made from a policy document that waits for other resources."""
    return sample(
        resource(f"{kind}.a", unknown={attribute: True}, references=["data.aws_iam_policy_document.a"]),
        resource("data.aws_iam_policy_document.a", statement=[statement], unknown={"json": True}),
    )


case(
    "identity.every-action",
    reported=[
        document("aws_iam_policy", "policy", actions=["*"], resources=["*"]),
        policy(Action="*", Resource="*"),
        sample(
            resource(
                "aws_iam_role.a",
                inline_policy=[
                    {
                        "policy": json.dumps(
                            {"Statement": {"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}}
                        )
                    }
                ],
            )
        ),
    ],
    silent=[
        policy(Action=["s3:GetObject"], Resource="*"),
        policy(Effect="Deny", Action="*", Resource="*"),
        sample(resource("aws_iam_policy.a", unknown={"policy": True})),
        sample(resource("aws_iam_policy.a", policy="no JSON")),
    ],
)
case(
    "identity.whole-service",
    reported=[policy(Action="s3:*", Resource="arn:aws:s3:::bucket/*")],
    silent=[policy(Action=["s3:GetObject", "s3:PutObject"], Resource="arn:aws:s3:::bucket/*")],
)
case(
    "identity.every-resource",
    reported=[
        policy(Action=["secretsmanager:GetSecretValue"], Resource="*"),
        document("aws_iam_role_policy", "policy", actions=["s3:GetObject"], resources=["*"]),
    ],
    silent=[
        document("aws_iam_role_policy", "policy", actions=["s3:GetObject"], resources=[None]),
        document("aws_iam_role_policy", "policy", effect="Deny", actions=["s3:GetObject"], resources=["*"]),
        document(
            "aws_iam_role_policy",
            "policy",
            actions=["s3:GetObject"],
            resources=["*"],
            condition=[{"test": "StringEquals", "variable": "aws:SourceVpce", "values": ["vpce-1"]}],
        ),
        policy(Action=["secretsmanager:GetSecretValue"], Resource="arn:aws:secretsmanager:x:1:secret:dify-*"),
        policy(Action=["ec2:DescribeVolumes", "s3:ListAllMyBuckets"], Resource="*"),
        policy(
            Action="kms:Decrypt",
            Resource="*",
            Condition={"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}},
        ),
        policy(
            Action="cloudwatch:PutMetricData",
            Resource="*",
            Condition={"StringEquals": {"cloudwatch:namespace": "Cloudberth"}},
        ),
    ],
)


def attachment(name: str) -> Sample:
    return sample(
        resource("aws_iam_role_policy_attachment.a", role="r", policy_arn=f"arn:aws:iam::aws:policy/{name}")
    )


case(
    "identity.broad-managed-policy",
    reported=[attachment("AmazonS3FullAccess"), attachment("AdministratorAccess")],
    silent=[attachment("AmazonSSMManagedInstanceCore"), attachment("CloudWatchAgentServerPolicy")],
)
case(
    "identity.role-for-anybody",
    reported=[
        policy("aws_iam_role", "assume_role_policy", Action="sts:AssumeRole", Principal={"AWS": "*"}),
        document(
            "aws_iam_role",
            "assume_role_policy",
            actions=["sts:AssumeRole"],
            principals=[{"type": "AWS", "identifiers": ["*"]}],
        ),
    ],
    silent=[
        policy(
            "aws_iam_role",
            "assume_role_policy",
            Action="sts:AssumeRole",
            Principal={"Service": "ec2.amazonaws.com"},
        ),
        policy(
            "aws_iam_role",
            "assume_role_policy",
            Action="sts:AssumeRole",
            Principal="*",
            Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
        ),
    ],
)
case(
    "identity.long-lived-key",
    reported=[sample(resource("aws_iam_access_key.a", user="dify"))],
    silent=[sample(resource("aws_iam_access_key.a", user="dify", status="Inactive"))],
)
case(
    "identity.privilege-escalation",
    reported=[policy(Action=["iam:PassRole"], Resource="*"), policy(Action="iam:*", Resource="*")],
    silent=[
        policy(Action="iam:PassRole", Resource="arn:aws:iam::1:role/dify"),
        policy(
            Action="iam:PassRole",
            Resource="*",
            Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
        policy(Action="iam:GetRole", Resource="*"),
    ],
)
case(
    "identity.policy-for-anybody",
    reported=[
        policy("aws_sns_topic_policy", Action="sns:Publish", Resource="*", Principal="*"),
        policy("aws_kms_key", Action="kms:Decrypt", Resource="*", Principal={"AWS": "*"}),
        policy("aws_opensearch_domain_policy", "access_policies", Action="es:*", Principal="*"),
    ],
    silent=[
        policy(
            "aws_sns_topic_policy",
            Action="sns:Publish",
            Resource="*",
            Principal={"Service": "cloudwatch.amazonaws.com"},
        ),
        policy(
            "aws_sns_topic_policy",
            Action="sns:Publish",
            Resource="*",
            Principal="*",
            Condition={"StringEquals": {"aws:SourceAccount": "1"}},
        ),
        policy("aws_kms_key", Action="kms:*", Resource="*", Principal={"AWS": "arn:aws:iam::1:root"}),
    ],
)
