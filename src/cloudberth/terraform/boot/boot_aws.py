"""What the boot program asks of AWS: through the machine's own CLI and identity, never with a stored key.

Failures are RuntimeErrors whose text is AWS's error code and message; no answer that holds a secret is ever
part of an error or an argument. Python 3.9, standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
_METADATA = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
_BATCH = 500  # lines per PutLogEvents call; the limit is 10,000 and 1 MiB


class Cloud:
    """AWS, as one machine of a deployment sees it."""

    registry_user = "AWS"
    ships_logs = False  # Docker's awslogs driver does it

    def __init__(self, bundle: Mapping[str, Any]) -> None:
        self._name: str = bundle["name"]
        self._region: str = bundle["region"]
        self._settings: Mapping[str, Any] = bundle["cloud"]

    # ---------------------------------------------------------------- the machine

    @cached_property
    def machine_id(self) -> str:
        return self._metadata("instance-id") or "unknown"

    def ends_soon(self) -> bool:
        """Whether a spot machine was given its two minutes."""
        try:
            return bool(self._metadata("spot/instance-action"))
        except RuntimeError:
            return False

    def _metadata(self, path: str) -> str:
        """A value of the metadata service (version 2); empty when there is none."""
        try:
            token = _fetch(
                f"{_METADATA}/latest/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
            )
            return _fetch(f"{_METADATA}/latest/meta-data/{path}", "GET", {"X-aws-ec2-metadata-token": token})
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return ""
            raise RuntimeError(f"metadata service: {error}") from None
        except OSError as error:
            raise RuntimeError(f"metadata service: {error}") from None

    # ---------------------------------------------------------------- secrets, marker, registry

    def secret(self, identifier: str) -> str:
        """The value of an entry of Secrets Manager."""
        answer = self._ask("secretsmanager", "get-secret-value", "--secret-id", identifier)
        value = answer.get("SecretString")
        if not isinstance(value, str):
            raise RuntimeError("the entry holds no text")
        return value

    def read_marker(self) -> str:
        """The release that the database is prepared for."""
        answer = self._ask("ssm", "get-parameter", "--name", self._settings["marker_parameter"])
        return str(answer["Parameter"]["Value"])

    def write_marker(self, release: str) -> None:
        self._ask(
            *("ssm", "put-parameter", "--name", self._settings["marker_parameter"]),
            *("--value", release, "--type", "String", "--overwrite"),
        )

    def is_registry(self, image: str) -> bool:
        """Whether an image comes from a private registry of this cloud."""
        host = image.split("/")[0]
        return ".dkr.ecr." in host and ".amazonaws.com" in host

    def registry_password(self) -> str:
        done = self._run("ecr", "get-login-password")
        return done.strip()

    # ---------------------------------------------------------------- disk and name

    @property
    def has_volume(self) -> bool:
        return bool(self._settings.get("volume_id"))

    def attach_volume(self, root: Path) -> str:
        """The device of the data disk, attached to this machine. Raises RuntimeError while that is not so."""
        volume = self._settings["volume_id"]
        found = self._ask("ec2", "describe-volumes", "--volume-ids", volume)["Volumes"][0]
        holders = [a for a in found.get("Attachments", []) if a["State"] not in ("detached", "detaching")]
        if found["State"] == "available" and not holders:
            self._ask(
                *("ec2", "attach-volume", "--volume-id", volume),
                *("--instance-id", self.machine_id, "--device", self._settings["device"]),
            )
        elif not any(a["InstanceId"] == self.machine_id for a in holders):
            others = ", ".join(a["InstanceId"] for a in holders) or "nobody yet"
            raise RuntimeError(f"{volume} is {found['State']}, held by {others}")
        return self._device(root, volume)

    def _device(self, root: Path, volume: str) -> str:
        """Nitro machines show a disk under its volume id, others under the name that was asked for."""
        names = (
            f"dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}",
            self._settings["device"].lstrip("/"),
            self._settings["device"].lstrip("/").replace("dev/sd", "dev/xvd"),
        )
        for name in names:
            if (root / name).exists():
                return str(root / name)
        raise RuntimeError(f"{volume} has not appeared yet")

    def register_name(self) -> None:
        """Point the private name of the stateful machine to this one."""
        record = self._settings["record"]
        if not record["zone_id"]:
            return
        change = {
            "Changes": [
                {
                    "Action": "UPSERT",
                    "ResourceRecordSet": {
                        "Name": record["name"],
                        "Type": "A",
                        "TTL": 15,
                        "ResourceRecords": [{"Value": self._metadata("local-ipv4")}],
                    },
                }
            ]
        }
        self._ask(
            *("route53", "change-resource-record-sets", "--hosted-zone-id", record["zone_id"]),
            *("--change-batch", json.dumps(change)),
        )

    # ---------------------------------------------------------------- what it tells

    def publish_depth(self, depth: int) -> None:
        self._ask(
            *("cloudwatch", "put-metric-data", "--namespace", self._settings["metric_namespace"]),
            *("--metric-name", "QueueDepth", "--dimensions", f"Deployment={self._name}"),
            *("--unit", "Count", "--value", str(depth)),
        )

    def tell_outcome(self, *, ready: bool) -> None:
        """Let the group use this machine, or replace it. After the first start nobody waits for it."""
        hook = self._settings.get("lifecycle_hook")
        if not hook:
            return
        try:
            self._ask(
                *("autoscaling", "complete-lifecycle-action", "--lifecycle-hook-name", hook),
                *("--auto-scaling-group-name", self._settings["auto_scaling_group"]),
                *("--instance-id", self.machine_id),
                *("--lifecycle-action-result", "CONTINUE" if ready else "ABANDON"),
            )
        except RuntimeError as error:
            print(json.dumps({"event": "outcome not told", "why": str(error)}), flush=True)

    def ship(self, lines: Sequence[str]) -> None:
        """Send the journal to the log group of the machines. What cannot be sent stays on the machine."""
        group = f"/cloudberth/{self._name}/boot"
        moment = int(time.time() * 1000)
        try:
            stream = f"{self.machine_id}/boot"
            self._create_stream(group, stream)
            for start in range(0, len(lines), _BATCH):
                events = [{"timestamp": moment, "message": line} for line in lines[start : start + _BATCH]]
                self._ask(
                    *("logs", "put-log-events", "--log-group-name", group, "--log-stream-name", stream),
                    *("--log-events", json.dumps(events)),
                )
        except (RuntimeError, OSError) as error:
            print(json.dumps({"event": "journal not sent", "why": str(error)}), flush=True)

    def send(self, lines: Sequence[tuple[str, str, str]]) -> None:  # noqa: ARG002
        raise RuntimeError("containers write to CloudWatch themselves")

    def _create_stream(self, group: str, stream: str) -> None:
        try:
            self._ask("logs", "create-log-stream", "--log-group-name", group, "--log-stream-name", stream)
        except RuntimeError as error:
            if "ResourceAlreadyExists" not in str(error):
                raise

    # ---------------------------------------------------------------- the CLI

    def _ask(self, *arguments: str) -> dict[str, Any]:
        answer = self._run(*arguments)
        if not answer.strip():
            return {}
        try:
            parsed: dict[str, Any] = json.loads(answer)
        except ValueError:
            raise RuntimeError(f"aws {arguments[0]} {arguments[1]}: the answer is no JSON") from None
        return parsed

    def _run(self, *arguments: str) -> str:
        command = ["aws", *arguments, "--region", self._region, "--output", "json"]
        environment = {
            **os.environ,
            "AWS_PAGER": "",
            "AWS_RETRY_MODE": "standard",
            "AWS_MAX_ATTEMPTS": os.environ.get("AWS_MAX_ATTEMPTS", "6"),
        }
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=180, env=environment
            )
        except FileNotFoundError:
            raise RuntimeError("the aws command is not installed") from None
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"aws {arguments[0]} {arguments[1]}: no answer in 180 s") from None
        if done.returncode:
            # The last line is AWS's own; what stands above may be a trace of the CLI.
            said = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise RuntimeError(f"aws {arguments[0]} {arguments[1]}: {said[:500]}")
        return done.stdout


def _fetch(url: str, method: str, headers: Mapping[str, str]) -> str:
    request = urllib.request.Request(url, method=method, headers=dict(headers))  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - the link-local metadata service
        body: bytes = answer.read()
    return body.decode().strip()
