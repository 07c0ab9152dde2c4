"""The data disk of the stateful machine: attached, formatted if it is blank, mounted. Never emptied."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # on the machine these files stand side by side
    from cloudberth.terraform.boot.cloud import Cloud
    from cloudberth.terraform.boot.journal import Failed, Journal, asked
    from cloudberth.terraform.boot.private_files import own
else:
    from journal import Failed, asked
    from private_files import own


class Disk:
    """root: where the machine's files are (``/``)."""

    def __init__(self, root: Path, cloud: Cloud, journal: Journal) -> None:
        self._root = root
        self._cloud = cloud
        self._journal = journal
        self.folder = root / "data"

    def prepare(self, volumes: Mapping[str, str | None]) -> None:
        """Mount the disk at /data, with a folder for each volume (name → uid:gid or None)."""
        device = self._journal.patiently(
            "data disk", lambda: asked(lambda: self._cloud.attach_volume(self._root)), 24, 5
        )
        if self._mounted():
            self._journal.write("disk", state="already mounted")
        else:
            kind = self._file_system(device)
            self.folder.mkdir(parents=True, exist_ok=True)
            self._journal.run("mount", "-o", "noatime", device, str(self.folder))
            if kind == "ext4":
                self._journal.run("resize2fs", device)  # the disk may have grown
        for name, owner in volumes.items():
            folder = self.folder / "volumes" / name
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(0o755)  # containers with a user of their own go through it
            own(folder, owner)

    def _mounted(self) -> bool:
        done = subprocess.run(["findmnt", "--mountpoint", str(self.folder)], capture_output=True, check=False)
        return done.returncode == 0

    def _file_system(self, device: str) -> str:
        """The kind of file system on the disk. Only a disk that is blank gets one."""
        probe = subprocess.run(
            ["blkid", "--probe", "--output", "value", "--match-tag", "TYPE", device],
            capture_output=True,
            text=True,
            check=False,
        )
        kind = probe.stdout.strip()
        if probe.returncode == 0 and kind:
            self._journal.write("disk", state="has a file system", type=kind)
            return kind
        if probe.returncode != 2 or not _blank(Path(device)):
            raise Failed(f"{device} is neither blank nor a file system that can be recognised: left alone")
        self._journal.run("mkfs.ext4", "-q", "-L", "cloudberth", device)
        self._journal.write("disk", state="formatted")
        return "ext4"


def _blank(device: Path) -> bool:
    """Whether the first MiB holds nothing but zeros, as a new disk does."""
    with device.open("rb") as stream:
        return not any(stream.read(2**20))
