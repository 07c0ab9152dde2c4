#!/usr/bin/env python3
"""Install each extra of storage alone in a fresh environment, and use its types there against their rigs.

    .venv/bin/python tools/try_extras.py                 every extra
    .venv/bin/python tools/try_extras.py azure google    these only

It shows two things: that an extra brings all that its types need, and that no type needs what belongs to
another. The servers of the contract suite run in this environment, the client alone in the fresh one: it
saves, loads, lists, copies, uploads by parts, deletes, and is examined by `berth storage doctor`. Packages
come from the configured index; run by hand, since the test suite itself uses no network.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "contract" / "storage"), str(ROOT / "tests")]

# extra → the rigs whose types are to work with it alone; "" is the bare package.
RIGS = {
    "": (
        "local@disk", "s3@ceph", "azure-blob@azurite", "aliyun-oss@double", "tencent-cos@double",
        "huawei-obs@double", "baidu-obs@double", "volcengine-tos@double", "oci-storage@double",
        "supabase@double", "clickzetta-volume@double",
    ),
    "aws": ("s3@ceph",),
    "azure": ("azure-blob@azurite",),
    "google": ("google-storage@fake-gcs",),
    "opendal": ("opendal@fs", "opendal@s3-ceph"),
    "oracle": ("oci-storage@native-double",),
    "checksums": ("aliyun-oss@double",),
    "postgres": ("local@disk",),
}  # fmt: skip

EXERCISE = """
import os, sys
from cloudberth import errors, storage
from cloudberth.cli.main import run

with storage.open(options=storage.Options(part_size=5 * 2**20)) as bucket:
    able = bucket.capabilities
    bucket.save("extra/a b+c.txt", b"content", content_type="text/plain")
    assert bucket.load("extra/a b+c.txt") == b"content"
    assert [info.key for info in bucket.list("extra/")] == ["extra/a b+c.txt"]
    bucket.copy("extra/a b+c.txt", "extra/copy.txt")
    bucket.save("extra/large", iter([bytes(10**6)] * 12))
    assert bucket.head("extra/large").size == 12 * 10**6
    assert bucket.load("extra/large", storage.Span(10, 5)) == bytes(5)
    assert bucket.delete_prefix("extra/") == 3
    try:
        bucket.load("extra/missing")
    except FileNotFoundError:
        pass
sys.stdout = open(os.devnull, "w")
code = run(["storage", "doctor", sys.argv[1], "--json"])
sys.exit(0 if code in (0, 4) else code)
"""


def install(folder: str, extra: str) -> Path:
    """A fresh environment with this checkout and one extra; its Python."""
    python = Path(folder) / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    package = f"{ROOT}[{extra}]" if extra else str(ROOT)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", package], check=True, capture_output=True)
    return python


def exercise(python: Path, environment: Mapping[str, str], folder: Path) -> str:
    """Use the store that these variables mean; what went wrong, or an empty text."""
    variables = folder / "store.env"
    variables.write_text("".join(f"{name}='{value}'\n" for name, value in environment.items()))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [str(python), "-c", EXERCISE, str(variables)]
    answer = subprocess.run(
        command,
        env={**kept, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return "" if not answer.returncode else answer.stderr[-1500:] or f"exit code {answer.returncode}"


def attempt(extra: str) -> bool:
    """Try one extra with all its rigs; whether all went well."""
    from rig_registry import all_rigs  # type: ignore[import-not-found]

    rigs = {rig.id: rig for rig in all_rigs()}
    good = True
    with tempfile.TemporaryDirectory(prefix="extra-") as name:
        python = install(name, extra)
        listed = subprocess.run(
            [str(python), "-m", "pip", "list"], capture_output=True, text=True, check=True
        )
        print(f"{extra or '(none)'}: {len(listed.stdout.splitlines()) - 2} packages", flush=True)
        for rig_id in RIGS[extra]:
            with tempfile.TemporaryDirectory(prefix="rig-") as folder:
                place, home = Path(folder, "rig"), Path(folder, "home")
                place.mkdir()
                home.mkdir()
                with rigs[rig_id].start(place) as running:
                    trouble = exercise(python, running.environment, home)
            good = good and not trouble
            print(f"  {rig_id}: {trouble or 'works'}", flush=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("extras", nargs="*", default=list(RIGS))
    results = [attempt(extra) for extra in parser.parse_args().extras]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
