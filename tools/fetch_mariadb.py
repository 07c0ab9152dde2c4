#!/usr/bin/env python3
"""Unpack a MariaDB with vectors (11.8, of Debian 13) for tests, without installing anything.

    tools/fetch_mariadb.py            # into ~/.cache/cloudberth/mariadb-11.8

Needs apt-get and dpkg-deb. What it fetches brings its own loader and C library, so it runs on older systems.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(os.environ.get("CLOUDBERTH_MARIADB") or Path.home() / ".cache/cloudberth/mariadb-11.8")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
SOURCE = f"deb [signed-by={KEYS}] http://deb.debian.org/debian trixie main\n"


def main() -> int:
    """0 when the server is there."""
    if (TARGET / "usr/sbin/mariadbd").exists():
        print(f"{TARGET} is there already")
        return 0
    with tempfile.TemporaryDirectory(prefix="fetch-mariadb-") as name:
        root = Path(name)
        for folder in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial"):
            (root / folder).mkdir(parents=True)
        for folder in ("var/cache/apt/archives/partial", "var/lib/dpkg"):
            (root / folder).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        (root / "etc/apt/sources.list").write_text(SOURCE)
        apt = ["apt-get", "-o", f"Dir={root}", "-o", f"Dir::State::status={root}/var/lib/dpkg/status"]
        apt += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]
        fetch = ["install", "-y", "--no-install-recommends", "--download-only", "mariadb-server-core"]
        for command in (["update"], fetch):
            subprocess.run([*apt, *command], check=True, stdout=subprocess.DEVNULL)
        TARGET.mkdir(parents=True, exist_ok=True)
        for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(package), str(TARGET)], check=True)
    print(f"MariaDB is in {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
