"""The rehearsal is only worth something if it refuses what is wrong: one mistake at a time, in the real modules."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType

import aws_mutations
import azure_mutations
import google_mutations
import pytest

import thoroughness
from cloudberth import pipeline
from cloudberth.errors import Rejected
from cloudberth.infra import workspace
from cloudberth.infra.rehearsal import rehearse, rehearse_plan

pytestmark = pytest.mark.terraform

CLOUDS: dict[str, ModuleType] = {"aws": aws_mutations, "azure": azure_mutations, "google": google_mutations}
# Every sixth mistake, others on each cloud, and all of them in a thorough run: a mistake costs two seconds.
CASES = [
    pytest.param(
        cloud, *row[1:], id=f"{cloud}: {row[0]}", marks=() if number % 6 == turn else thoroughness.MARK
    )
    for turn, (cloud, table) in enumerate(CLOUDS.items())
    for number, row in enumerate(table.MUTATIONS)
]


@cache
def files_of(cloud: str) -> dict[str, str]:
    """The workspace without a mistake; not to be changed by who asks."""
    return pipeline.lay_out(CLOUDS[cloud].large())


def place(files: dict[str, str], folder: Path) -> Path:
    workspace.write(files, folder)
    return folder


@pytest.mark.parametrize("cloud", CLOUDS)
def test_without_a_mistake_the_rehearsal_plans(cloud: str, tmp_path: Path) -> None:
    assert rehearse_plan(place(files_of(cloud), tmp_path)).rehearsal


@pytest.mark.parametrize(("cloud", "file", "old", "new", "message", "where"), CASES)
def test_a_mistake_is_refused_with_its_place(
    tmp_path: Path, cloud: str, file: str, old: str, new: str, message: str, where: str
) -> None:
    files = files_of(cloud)
    assert old in files[file], "the mutation no longer applies: it must follow the modules"
    with pytest.raises(Rejected) as refusal:
        rehearse_plan(place(files | {file: files[file].replace(old, new, 1)}, tmp_path))
    said = "\n".join(str(problem) for problem in refusal.value.problems)
    assert message in said
    assert where in said


@thoroughness.MARK
def test_what_only_the_api_sees_is_refused_at_apply(tmp_path: Path) -> None:
    """Ids are not known before the apply, so a subnet outside its network is seen only then."""
    files = files_of("aws")
    path = "modules/network/main.tf"
    right, wrong = "cidrsubnet(var.cidr, 4, 12 +", 'cidrsubnet("192.168.0.0/16", 4, 12 +'
    assert right in files[path]
    folder = place(files | {path: files[path].replace(right, wrong)}, tmp_path)
    with pytest.raises(Rejected, match="aws_subnet"):
        rehearse(folder)
