"""Leave a Python that is too old. This file has to be readable for any Python 3, so it is written plainly."""

import os
import shutil
import sys

NEWEST_TRIED = 19
OLDEST = (3, 11)


def require_python(script):  # type: ignore[no-untyped-def]
    """Go on if this Python is new enough; else start the script with one on the PATH that is; else end."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(NEWEST_TRIED, OLDEST[1] - 1, -1):
        found = shutil.which("python3.%d" % minor)  # noqa: UP031 (an old Python has to read this)
        if found:
            os.execv(found, [found, str(script)] + sys.argv[1:])  # noqa: RUF005
    name = script.name
    sys.exit(
        "%s needs Python 3.11 or newer; %s is Python %d.%d.\n"  # noqa: UP031
        "  Install one (Debian 12, Ubuntu 24.04: apt-get install python3 python3-pip) and run ./%s again;\n"
        "  a python3.11 or later on the PATH is found by itself."
        % (name, sys.executable, sys.version_info[0], sys.version_info[1], name)
    )
