"""Identities of AWS: who may do what."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.policy_document import Statement, statements, statements_of
from cloudberth.findings.rules.registry import relation_rule, resource_rule
from cloudberth.findings.values import at, blocks
from cloudberth.infra.plan import Resource

POLICIES = (
    "aws_iam_policy",
    "aws_iam_role_policy",
    "aws_iam_user_policy",
    "aws_iam_group_policy",
    "aws_iam_role",
)
_BROAD = (
    "AdministratorAccess",
    "PowerUserAccess",
    "IAMFullAccess",
    "AmazonS3FullAccess",
    "AmazonRDSFullAccess",
    "AmazonEC2FullAccess",
    "SecretsManagerReadWrite",
    "AWSKeyManagementServicePowerUser",
)
# Actions that can be limited to a resource and that hurt when they are not.
_SHARP = (
    "s3:",
    "secretsmanager:",
    "kms:",
    "iam:",
    "sts:assumerole",
    "ssm:getparameter",
    "ssm:sendcommand",
    "rds:",
    "dynamodb:",
    "sqs:",
    "sns:",
    "lambda:",
    "ec2:terminate",
    "ec2:runinstances",
    "autoscaling:terminate",
)
# Each of these, unlimited, is a way to every right in the account.
_ESCALATES = (
    "iam:attachrolepolicy",
    "iam:attachuserpolicy",
    "iam:createaccesskey",
    "iam:createloginprofile",
    "iam:createpolicyversion",
    "iam:passrole",
    "iam:putrolepolicy",
    "iam:putuserpolicy",
    "iam:setdefaultpolicyversion",
    "iam:updateassumerolepolicy",
    "iam:*",
)
_SHARED = {
    "aws_sns_topic_policy": "policy",
    "aws_sqs_queue_policy": "policy",
    "aws_secretsmanager_secret_policy": "policy",
    "aws_kms_key": "policy",
    "aws_kms_key_policy": "policy",
    "aws_ecr_repository_policy": "policy",
    "aws_opensearch_domain_policy": "access_policies",
    "aws_efs_file_system_policy": "policy",
}
_HARMLESS = (
    "list",
    "describe",
    "getauthorizationtoken",
    "getrandompassword",
    "generaterandom",
    "getaccount",
    "getcalleridentity",
)


def _granted(resource: Resource, context: Context) -> Iterator[Statement]:
    if resource.type == "aws_iam_role":
        policies = (policy.at("policy") for policy in blocks(resource, "inline_policy"))
        found = (statement for policy in policies for statement in statements(policy))
    else:
        found = (statement for statement in statements_of(resource, "policy", context))
    return (statement for statement in found if statement.allow)


@relation_rule(
    "identity.every-action",
    Severity.CRITICAL,
    "Policy allows every action",
    why="Whoever takes over the machine or key that has this policy owns the account.",
    remedy="List the actions that are needed.",
    types=POLICIES,
)
def every_action(policy: Resource, context: Context) -> str | None:
    total = any(
        "*" in s.actions and "*" in s.resources and not s.conditions for s in _granted(policy, context)
    )
    return "It allows * on *." if total else None


@relation_rule(
    "identity.whole-service",
    Severity.MEDIUM,
    "Policy allows a whole service",
    why="It includes deleting, opening to the public and changing permissions, which the application never "
    "needs.",
    remedy="List the actions that are needed.",
    types=POLICIES,
)
def whole_service(policy: Resource, context: Context) -> str | None:
    broad = {
        a
        for s in _granted(policy, context)
        for a in s.actions
        if a.endswith(":*") and a.lower().startswith(_SHARP)
    }
    return f"It allows {', '.join(sorted(broad))}." if broad else None


@relation_rule(
    "identity.every-resource",
    Severity.MEDIUM,
    "Policy allows sensitive actions on every resource",
    why="The application then also reads secrets, files and keys of everything else in the account.",
    remedy="Name the resources (ARNs), or add a condition.",
    types=POLICIES,
)
def every_resource(policy: Resource, context: Context) -> str | None:
    sharp = {
        action
        for statement in _granted(policy, context)
        if "*" in statement.resources and not statement.conditions
        for action in statement.actions
        if _is_sharp(action)
    }
    return f"On *: {', '.join(sorted(sharp))}." if sharp else None


def _is_sharp(action: str) -> bool:
    verb = action.lower().partition(":")[2]
    return action.lower().startswith(_SHARP) and not verb.startswith(_HARMLESS) and verb != "*"


@resource_rule(
    "identity.broad-managed-policy",
    Severity.HIGH,
    "Broad AWS policy attached",
    why="These policies cover every resource of the account, now and in future.",
    remedy="Attach a policy with the actions and resources that are needed.",
    types=("aws_iam_role_policy_attachment", "aws_iam_user_policy_attachment", "aws_iam_policy_attachment"),
)
def broad_managed_policy(attachment: Resource) -> str | None:
    name = at(attachment, "policy_arn").text.rpartition("/")[2]
    return f"It attaches {name}." if name in _BROAD else None


@relation_rule(
    "identity.role-for-anybody",
    Severity.CRITICAL,
    "Role can be taken by anybody",
    why="Any AWS account in the world can act with the rights of this role.",
    remedy="Name the service or account in the trust policy, with an external id for third parties.",
    types=("aws_iam_role",),
)
def role_for_anybody(role: Resource, context: Context) -> str | None:
    trust = statements_of(role, "assume_role_policy", context)
    open_to_all = any(s.allow and s.for_everybody and not s.conditions for s in trust)
    return "Its trust policy names everybody." if open_to_all else None


@resource_rule(
    "identity.long-lived-key",
    Severity.HIGH,
    "Access key that never expires",
    why="The key lies in the Terraform state and in the application's settings, works from anywhere and is "
    "rotated by nobody.",
    remedy="Use the machine's role (Cloudberth reaches storage and secrets without keys).",
    types=("aws_iam_access_key",),
)
def long_lived_key(key: Resource) -> str | None:
    return "A static access key is created." if at(key, "status").text != "Inactive" else None


@relation_rule(
    "identity.privilege-escalation",
    Severity.HIGH,
    "Policy is a way to every right in the account",
    why="Who may give roles away, or change policies, on every resource, can give himself everything else.",
    remedy="Name the roles (ARNs) the action is for, with the condition iam:PassedToService for PassRole.",
    types=POLICIES,
)
def privilege_escalation(policy: Resource, context: Context) -> str | None:
    actions = {
        action
        for statement in _granted(policy, context)
        if "*" in statement.resources and not statement.conditions
        for action in statement.actions
        if action.lower() in _ESCALATES
    }
    return f"On *: {', '.join(sorted(actions))}." if actions else None


@relation_rule(
    "identity.policy-for-anybody",
    Severity.CRITICAL,
    "Queue, topic, key or secret is open to everybody",
    why="Any AWS account in the world may do what the policy allows.",
    remedy="Name the accounts, roles or services, or add a condition such as aws:SourceArn.",
    types=tuple(_SHARED),
)
def policy_for_anybody(resource: Resource, context: Context) -> str | None:
    for statement in statements_of(resource, _SHARED[resource.type], context):
        if statement.allow and statement.for_everybody and not statement.conditions:
            return f"Everybody may {', '.join(statement.actions) or 'do what it does not exclude'}."
    return None
