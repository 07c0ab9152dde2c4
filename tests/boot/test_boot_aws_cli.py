"""What the boot program asks of AWS, through the real AWS CLI, against a simulated AWS (moto)."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from machine_rig import SOURCE, Metadata, serving
from moto.server import ThreadedMotoServer

from thoroughness import MARK

sys.path.insert(0, str(SOURCE / "terraform/boot"))

import boot_aws

REGION = "eu-central-1"
ZONE = f"{REGION}a"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    cli = shutil.which("aws") or shutil.which("aws", path=str(Path(sys.executable).parent))
    if not cli:
        pytest.skip("NOT TESTED: the AWS CLI is not installed (pip install awscli)")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """boto3 for looking at the same AWS; the CLI finds it through its environment."""
    values = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_MAX_ATTEMPTS": "1",
        "HOME": str(tmp_path),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    if not shutil.which("aws"):
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    return lambda service: boto3.client(service, region_name=REGION, endpoint_url=endpoint)


def cloud(**settings: Any) -> boot_aws.Cloud:
    defaults = {
        "marker_parameter": "/cloudberth/dify/release",
        "metric_namespace": "Cloudberth",
        "lifecycle_hook": "",
        "auto_scaling_group": "dify-app",
        "device": "/dev/sdf",
        "volume_id": "",
        "record": {"zone_id": "", "name": ""},
    }
    return boot_aws.Cloud({"name": "dify", "region": REGION, "cloud": defaults | settings})


def test_a_secret(aws: Any) -> None:
    value = "pä$$\"'\\ word\nwith ${x}"
    arn = aws("secretsmanager").create_secret(Name="dify/secret_key", SecretString=value)["ARN"]
    assert cloud().secret(arn) == value
    assert cloud().secret("dify/secret_key") == value


def test_a_secret_that_does_not_exist(aws: Any) -> None:
    with pytest.raises(
        RuntimeError, match=r"aws secretsmanager get-secret-value: .*ResourceNotFoundException"
    ):
        cloud().secret("dify/nothing")


@MARK
def test_a_binary_secret_is_refused(aws: Any) -> None:
    aws("secretsmanager").create_secret(Name="dify/binary", SecretBinary=b"\0\1")
    with pytest.raises(RuntimeError, match="holds no text"):
        cloud().secret("dify/binary")


def test_the_release_marker(aws: Any) -> None:
    aws("ssm").put_parameter(Name="/cloudberth/dify/release", Value="none", Type="String", Overwrite=True)
    assert cloud().read_marker() == "none"
    cloud().write_marker("dify-1.17.1-0a1b2c3d")
    assert cloud().read_marker() == "dify-1.17.1-0a1b2c3d"


def test_a_marker_that_does_not_exist(aws: Any) -> None:
    with pytest.raises(RuntimeError, match="ParameterNotFound"):
        cloud(marker_parameter="/cloudberth/other/release").read_marker()


@pytest.fixture
def instance(aws: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A machine of the simulated EC2, whose metadata service says so."""
    ec2 = aws("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    reservation = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, Placement={"AvailabilityZone": ZONE}
    )
    identifier: str = reservation["Instances"][0]["InstanceId"]
    handler = type("Handler", (Metadata,), {"values": {"instance-id": identifier, "local-ipv4": "10.40.1.7"}})
    with serving(handler) as address:
        monkeypatch.setattr(boot_aws, "_METADATA", address)
        yield identifier


def test_the_machine_knows_itself(instance: str) -> None:
    assert cloud().machine_id == instance
    assert cloud().ends_soon() is False


def test_the_data_disk_is_attached(aws: Any, instance: str, tmp_path: Path) -> None:
    ec2 = aws("ec2")
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=10)["VolumeId"]
    machine = cloud(volume_id=volume)
    with pytest.raises(RuntimeError, match="has not appeared yet"):
        machine.attach_volume(tmp_path)
    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"][0]["InstanceId"] == instance
    device = tmp_path / f"dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
    device.parent.mkdir(parents=True)
    device.touch()
    assert machine.attach_volume(tmp_path) == str(device)


@MARK
@pytest.mark.parametrize("name", ["dev/sdf", "dev/xvdf"])
def test_devices_of_older_machines(aws: Any, instance: str, tmp_path: Path, name: str) -> None:
    volume = aws("ec2").create_volume(AvailabilityZone=ZONE, Size=10)["VolumeId"]
    (tmp_path / "dev").mkdir()
    (tmp_path / name).touch()
    assert cloud(volume_id=volume).attach_volume(tmp_path) == str(tmp_path / name)


@MARK
def test_a_disk_that_another_machine_holds(aws: Any, instance: str, tmp_path: Path) -> None:
    ec2 = aws("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    other = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, Placement={"AvailabilityZone": ZONE})
    holder = other["Instances"][0]["InstanceId"]
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=10)["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=holder, Device="/dev/sdf")
    with pytest.raises(RuntimeError, match=f"held by {holder}"):
        cloud(volume_id=volume).attach_volume(tmp_path)


@MARK
def test_the_private_name(aws: Any, instance: str) -> None:
    route53 = aws("route53")
    zone = route53.create_hosted_zone(Name="dify.internal", CallerReference=instance)["HostedZone"]["Id"]
    machine = cloud(record={"zone_id": zone.rpartition("/")[2], "name": "stateful.dify.internal"})
    machine.register_name()
    machine.register_name()
    records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (record,) = [record for record in records if record["Type"] == "A"]
    assert record["Name"] == "stateful.dify.internal."
    assert record["ResourceRecords"] == [{"Value": "10.40.1.7"}]


def test_the_queue_metric(aws: Any) -> None:
    cloud().publish_depth(42)
    (metric,) = aws("cloudwatch").list_metrics(Namespace="Cloudberth")["Metrics"]
    assert metric["MetricName"] == "QueueDepth"
    assert metric["Dimensions"] == [{"Name": "Deployment", "Value": "dify"}]


def test_the_journal(aws: Any, instance: str) -> None:
    logs = aws("logs")
    logs.create_log_group(logGroupName="/cloudberth/dify/boot")
    lines = [json.dumps({"event": "é", "number": number}) for number in range(3)]
    cloud().ship(lines)
    cloud().ship(["again"])
    events = logs.get_log_events(logGroupName="/cloudberth/dify/boot", logStreamName=f"{instance}/boot")[
        "events"
    ]
    assert [event["message"] for event in events] == [*lines, "again"]


@MARK
def test_a_journal_without_a_group_is_no_failure(
    aws: Any, instance: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = cloud()
    machine._name = "other"
    machine.ship(["line"])
    assert "journal not sent" in capsys.readouterr().out


def test_the_outcome_is_told(aws: Any, instance: str, capsys: pytest.CaptureFixture[str]) -> None:
    """moto does not know this call: the CLI sends it, and the refusal is reported and nothing more."""
    cloud(lifecycle_hook="dify-app-started").tell_outcome(ready=True)
    told = json.loads(capsys.readouterr().out)
    assert told["event"] == "outcome not told"
    assert "500 Internal Server Error" in told["why"], "the CLI took all options and asked"
    cloud(lifecycle_hook="").tell_outcome(ready=True)
    assert capsys.readouterr().out == ""


def test_registries() -> None:
    assert cloud().is_registry("123456789012.dkr.ecr.eu-central-1.amazonaws.com/hub/x:1")
    assert not cloud().is_registry("docker/compose-bin:v2.39.4")


def test_a_registry_password(aws: Any) -> None:
    assert len(cloud().registry_password()) > 10


def test_no_cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="not installed"):
        cloud().read_marker()
