"""A number of days that a cloud does not know is rounded up, and that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudberth import pipeline
from cloudberth.errors import InvalidDeployment
from cloudberth.infra.variables import root_variables

REGIONS = {"aws": "eu-central-1", "azure": "westeurope", "google": "europe-west1"}


def deployment(folder: Path, cloud: str, days: int) -> pipeline.Deployment:
    file = folder / "berth.yaml"
    file.write_text(
        f"name: dify\napp: dify\ncloud: {cloud}\nregion: {REGIONS[cloud]}\nlogs: {{retention_days: {days}}}\n"
    )
    return pipeline.read(file)


@pytest.mark.parametrize(
    ("cloud", "wanted", "kept"),
    [
        ("aws", 30, 30), ("aws", 31, 60), ("aws", 2, 3), ("aws", 3653, 3653), ("azure", 45, 45),
        ("azure", 2, 4), ("azure", 730, 730), ("google", 45, 45), ("google", 1, 1), ("google", 3650, 3650),
    ],
)  # fmt: skip
def test_days_are_rounded_up_and_said(tmp_path: Path, cloud: str, wanted: int, kept: int) -> None:
    found = deployment(tmp_path, cloud, wanted)
    assert root_variables(found, pipeline.application(found))["logs"]["retention_days"] == kept
    said = pipeline.remarks(found)
    if kept == wanted:
        assert said == ()
    else:
        assert len(said) == 1 and f"kept for {kept} days" in said[0] and str(wanted) in said[0]


@pytest.mark.parametrize(("cloud", "days"), [("aws", 3654), ("azure", 731), ("google", 3651)])
def test_longer_than_a_cloud_can_is_refused(tmp_path: Path, cloud: str, days: int) -> None:
    with pytest.raises(InvalidDeployment, match=f"does not keep logs for {days} days"):
        deployment(tmp_path, cloud, days)
