"""The whole life of small workspaces, with real Terraform and simulated providers."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_workspaces import HEAD, NETWORK, STORE

from cloudberth.errors import EngineError, InvalidInput, Refused, Rejected
from cloudberth.infra.engine import Engine
from cloudberth.infra.events import Event, State
from cloudberth.infra.plan import Action
from cloudberth.infra.rehearsal import Rehearsal, StepDone, rehearse, rehearse_plan

pytestmark = pytest.mark.terraform

Write = Callable[..., Path]


def instances(result: Rehearsal) -> dict[str, object]:
    """Type and name → attributes in the state."""
    return {
        f"{entry['type']}.{entry['name']}.{instance.get('index_key', '')}": instance["attributes"]
        for entry in json.loads(result.state)["resources"]
        for instance in entry["instances"]
    }


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_whole_life(engine: Engine, write: Write) -> None:
    steps: list[StepDone] = []
    result = rehearse(write(NETWORK + STORE), engine=engine, progress=steps.append)
    assert result.changes == ()
    assert result.created == result.destroyed == 7
    assert [step.name for step in steps] == [
        "init",
        "validate",
        "plan",
        "show",
        "apply",
        "second plan",
        "destroy",
    ]
    assert result.leaks == ()
    assert result.label == "simulated providers, schema aws 6.69.1"
    assert result.plan.rehearsal
    assert result.plan.region == "eu-central-1"
    assert result.plan.providers == {"registry.terraform.io/hashicorp/aws": "6.69.1"}
    assert result.outputs["address"].startswith("http://front-")
    assert result.outputs["address"].endswith(".eu-central-1.elb.amazonaws.com")


def test_the_values_have_the_forms_of_aws(any_engine: Engine, write: Write) -> None:
    state = instances(rehearse(write(NETWORK + STORE), engine=any_engine))
    database = state["aws_db_instance.main."]
    assert database["endpoint"] == f"{database['address']}:5432"
    assert database["address"].startswith("app.")
    assert database["address"].endswith(".eu-central-1.rds.amazonaws.com")
    assert database["arn"] == "arn:aws:rds:eu-central-1:000000000000:db:app"
    assert database["resource_id"].startswith("db-")
    secret = state["aws_secretsmanager_secret.database."]["arn"]
    lead = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:app/database-"
    assert secret.startswith(lead)
    assert len(secret) == len(lead) + 6
    vpc = state["aws_vpc.main."]
    assert vpc["id"].startswith("vpc-0")
    assert len(vpc["id"]) == len("vpc-") + 17
    assert state["aws_subnet.public.eu-central-1a"]["vpc_id"] == vpc["id"]
    balancer = state["aws_lb.front."]
    assert balancer["arn"].endswith(f"loadbalancer/{balancer['arn_suffix']}")


def test_two_rehearsals_give_the_same_bytes(engine: Engine, write: Write) -> None:
    folder = write(NETWORK + STORE)
    first, second = (rehearse(folder, engine=engine) for _ in range(2))
    assert first.outputs == second.outputs
    assert json.dumps(instances(first), sort_keys=True) == json.dumps(instances(second), sort_keys=True)


def test_a_plan_says_what_is_only_known_after_apply(engine: Engine, write: Write) -> None:
    plan = rehearse_plan(write(NETWORK), engine=engine)
    vpc = plan.resource("aws_vpc.main")
    assert vpc is not None
    assert vpc.action is Action.CREATE
    assert vpc.unknown["id"] is True
    assert vpc.get("cidr_block") == "10.0.0.0/16"
    assert vpc.get("tags_all.Name") == "main"
    assert vpc.get("region") == "eu-central-1"
    assert plan.outputs["address"] is None
    subnet = plan.resource('aws_subnet.public["eu-central-1b"]')
    assert subnet is not None
    assert subnet.key == "eu-central-1b"
    assert "aws_vpc.main" in subnet.references


def test_the_folder_is_only_read(any_engine: Engine, write: Write) -> None:
    folder = write(NETWORK)
    (folder / "terraform.tfstate").write_text("the user's own")
    (folder / ".terraform.lock.hcl").write_text("# the user's own")
    before = fingerprint(folder)
    rehearse(folder, engine=any_engine)
    assert fingerprint(folder) == before


def test_nothing_stays_behind(any_engine: Engine, write: Write, own_temporary_folder: Path) -> None:
    rehearse_plan(write(NETWORK), engine=any_engine)
    with pytest.raises(Rejected):
        rehearse_plan(write("nonsense {}"), engine=any_engine)
    assert list(own_temporary_folder.iterdir()) == []


def test_a_remote_backend_is_not_touched(any_engine: Engine, write: Write) -> None:
    backend = '{"terraform": {"backend": {"s3": {"bucket": "b", "key": "k", "region": "eu-central-1"}}}}'
    folder = write(NETWORK)
    (folder / "backend.tf.json").write_text(backend)
    assert rehearse_plan(folder, engine=any_engine).resource("aws_vpc.main")


def test_modules_outside_the_workspace(any_engine: Engine, write: Write, tmp_path: Path) -> None:
    shared = tmp_path / "modules" / "topic"
    shared.mkdir(parents=True)
    (shared / "main.tf").write_text(
        'module "inner" {\n  source = "../inner"\n}\noutput "arn" {\n  value = module.inner.arn\n}\n'
    )
    inner = tmp_path / "modules" / "inner"
    inner.mkdir()
    (inner / "main.tf").write_text(
        'resource "aws_sns_topic" "t" {\n  name = "t"\n}\noutput "arn" {\n  value = aws_sns_topic.t.arn\n}\n'
    )
    folder = write(
        'module "topic" {\n  source = "../modules/topic"\n}\noutput "arn" {\n  value = module.topic.arn\n}\n'
    )
    result = rehearse(folder, engine=any_engine)
    assert result.outputs == {"arn": "arn:aws:sns:eu-central-1:000000000000:t"}


# ---- secrets ---------------------------------------------------------------------------------------------


def test_ephemeral_and_write_only_values_stay_out(engine: Engine, write: Write) -> None:
    """The value of a parameter that this workspace does not make is known: simulated-…"""
    text = """
ephemeral "aws_ssm_parameter" "existing" {
  arn = "arn:aws:ssm:eu-central-1:000000000000:parameter/existing"
}
resource "aws_ssm_parameter" "copy" {
  name             = "copy"
  type             = "SecureString"
  value_wo         = ephemeral.aws_ssm_parameter.existing.value
  value_wo_version = 1
}
"""
    result = rehearse(write(STORE + text), engine=engine)
    assert result.leaks == ()
    assert "simulated-" not in result.state
    state = instances(result)
    assert state["aws_ssm_parameter.copy."]["value_wo"] is None
    assert state["aws_db_instance.main."]["password_wo"] is None
    assert state["aws_db_instance.main."]["password"] is None
    assert state["aws_secretsmanager_secret_version.database."]["secret_string_wo"] is None


def test_a_leak_is_seen(any_engine: Engine, write: Write) -> None:
    """The control for the test above: the same value in an open argument is reported."""
    text = (
        'resource "aws_ssm_parameter" "p" {\n  name = "p"\n  type = "SecureString"\n'
        '  value_wo = "planted-\\"marker\\"-4711"\n  value_wo_version = 1\n'
        '  tags = { note = "it is planted-\\"marker\\"-4711" }\n}\n'
    )
    assert rehearse(write(text), engine=any_engine).leaks == ("state", "plan")


def test_a_leak_into_the_log_is_seen(any_engine: Engine, write: Write) -> None:
    """Terraform logs the identifiers of what it makes."""
    text = (
        'resource "aws_ssm_parameter" "p" {\n  name = "p"\n  type = "SecureString"\n'
        '  value_wo = "planted-marker-4711"\n  value_wo_version = 1\n}\n'
        'resource "aws_sns_topic" "t" {\n  name = "planted-marker-4711"\n}\n'
    )
    assert rehearse(write(text), engine=any_engine).leaks == ("state", "plan", "log")


# ---- what providers do besides creating ------------------------------------------------------------------


def test_an_alias_has_its_own_region(engine: Engine, write: Write) -> None:
    text = (
        'provider "aws" {\n  alias = "us"\n  region = "us-east-1"\n}\n'
        'resource "aws_sns_topic" "here" {\n  name = "t"\n}\n'
        'resource "aws_sns_topic" "there" {\n  provider = aws.us\n  name = "t"\n}\n'
        'resource "aws_sns_topic" "third" {\n  region = "eu-west-1"\n  name = "t"\n}\n'
        'output "arns" {\n'
        "  value = [aws_sns_topic.here.arn, aws_sns_topic.there.arn, aws_sns_topic.third.arn]\n}\n"
    )
    result = rehearse(write(text), engine=engine)
    regions = [arn.split(":")[3] for arn in result.outputs["arns"]]
    assert regions == ["eu-central-1", "us-east-1", "eu-west-1"]


def test_default_tags_reach_every_resource(any_engine: Engine, write: Write) -> None:
    head = HEAD.replace(
        'region = "eu-central-1"',
        'region = "eu-central-1"\n  default_tags {\n    tags = { team = "a", x = "1" }\n  }',
    )
    plan = rehearse_plan(
        write('resource "aws_sns_topic" "t" {\n  tags = { x = "2" }\n}\n', head=head), engine=any_engine
    )
    topic = plan.resource("aws_sns_topic.t")
    assert topic is not None
    assert topic.values["tags_all"] == {"team": "a", "x": "2"}


def test_an_import_block(any_engine: Engine, write: Write) -> None:
    text = (
        'import {\n  to = aws_cloudwatch_log_group.old\n  id = "/app/old"\n}\n'
        'resource "aws_cloudwatch_log_group" "old" {\n  name = "/app/old"\n  retention_in_days = 30\n}\n'
    )
    result = rehearse(write(text), engine=any_engine)
    group = result.plan.resource("aws_cloudwatch_log_group.old")
    assert group is not None
    assert group.action is Action.UPDATE  # retention is set on a group that is taken over
    assert group.before["name"] == "/app/old"
    assert result.changes == ()


def test_a_policy_document_is_rendered(any_engine: Engine, write: Write) -> None:
    text = """
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}
resource "aws_iam_role" "r" {
  name               = "r"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}
"""
    plan = rehearse_plan(write(text), engine=any_engine)
    role = plan.resource("aws_iam_role.r")
    assert role is not None
    assert json.loads(role.values["assume_role_policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
        ],
    }


def test_certificate_records_can_be_iterated_in_the_first_plan(any_engine: Engine, write: Write) -> None:
    text = """
resource "aws_acm_certificate" "c" {
  domain_name               = "example.com"
  subject_alternative_names = ["*.example.com", "www.example.com"]
  validation_method         = "DNS"
}
resource "aws_route53_record" "v" {
  for_each = { for option in aws_acm_certificate.c.domain_validation_options : option.domain_name => option }
  zone_id  = "Z1"
  name     = each.value.resource_record_name
  type     = each.value.resource_record_type
  records  = [each.value.resource_record_value]
  ttl      = 60
}
"""
    result = rehearse(write(text), engine=any_engine)
    state = instances(result)
    records = [values for name, values in state.items() if name.startswith("aws_route53_record")]
    assert len(records) == 3
    assert {values["type"] for values in records} == {"CNAME"}
    assert state["aws_route53_record.v.example.com"]["name"].endswith(".example.com.")
    assert result.changes == ()


def test_protected_resources_can_be_rehearsed(any_engine: Engine, write: Write) -> None:
    text = 'resource "aws_s3_bucket" "b" {\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n'
    result = rehearse(write(text), engine=any_engine)
    assert result.destroyed == result.created == 1
    assert result.steps[-1].detail == "1 protections lifted"


# ---- what it refuses -------------------------------------------------------------------------------------


def test_programs_are_not_run(any_engine: Engine, write: Write, tmp_path: Path) -> None:
    command = f'command = "touch {tmp_path}/ran"'
    folder = write(
        f'resource "terraform_data" "x" {{\n  provisioner "local-exec" {{\n    {command}\n  }}\n}}\n'
    )
    rehearse_plan(folder, engine=any_engine)
    with pytest.raises(Refused, match=r"main\.tf: local-exec"):
        rehearse(folder, engine=any_engine)
    assert not (tmp_path / "ran").exists()


def test_another_major_version_is_not_pretended(any_engine: Engine, write: Write) -> None:
    folder = write(NETWORK, head=HEAD.replace("~> 6.0", "~> 5.90"))
    with pytest.raises(EngineError, match=r"asks for the provider aws ~> 5\.90.*schema of 6\.69\.1"):
        rehearse_plan(folder, engine=any_engine)


def test_a_folder_without_terraform(any_engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no Terraform configuration"):
        rehearse_plan(tmp_path, engine=any_engine)


# ---- isolation -------------------------------------------------------------------------------------------


def test_the_environment_does_not_leak_in(
    engine: Engine, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = write(NETWORK)
    expected = rehearse_plan(folder, engine=engine)
    broken = tmp_path / "broken.rc"
    broken.write_text("this is no configuration {")
    for name, value in {
        "AWS_REGION": "mars-north-1",
        "AWS_ACCESS_KEY_ID": "garbage",
        "AWS_PROFILE": "missing",
        "TF_VAR_cidr": "garbage",
        "TF_CLI_ARGS": "-garbage",
        "TF_CLI_ARGS_plan": "-destroy",
        "TF_CLI_CONFIG_FILE": str(broken),
        "TF_DATA_DIR": "/nonexistent/place",
        "TF_WORKSPACE": "other",
        "TF_LOG": "trace",
        "TF_REATTACH_PROVIDERS": "{",
        "HOME": "/nonexistent/home",
        "PYTHONPATH": "/nonexistent/python",
        "PYTHONSTARTUP": "/nonexistent/startup",
    }.items():
        monkeypatch.setenv(name, value)
    assert rehearse_plan(folder, engine=engine) == expected


def test_it_works_in_a_network_namespace_without_interfaces(engine: Engine, write: Write) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode:
        pytest.skip("unshare -rn is not permitted here: the offline run was not isolated from the network")
    script = (
        "import sys, pathlib\n"
        "from cloudberth.infra.rehearsal import rehearse\n"
        "result = rehearse(pathlib.Path(sys.argv[1]))\n"
        "print(result.created, len(result.changes), result.destroyed)\n"
    )
    choice = "embedded" if engine.source.value == "embedded" else engine.command[0]
    done = subprocess.run(
        [unshare, "-rn", sys.executable, "-c", script, str(write(NETWORK))],
        env={**os.environ, "BERTH_ENGINE": choice},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "4 0 4"), done.stderr


def test_events_are_passed_on(any_engine: Engine, write: Write) -> None:
    events: list[Event] = []
    rehearse(write(NETWORK), engine=any_engine, listener=events.append)
    created = [e for e in events if e.state is State.DONE and e.action == "create"]
    assert {event.address for event in created} >= {"aws_vpc.main", "aws_lb.front"}
    assert all(event.identifier.startswith("id=") for event in created)
