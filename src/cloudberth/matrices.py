"""Work on matrices, a few pieces at once.

The OpenBLAS in NumPy's wheels is built for at most 64 threads: when more multiply at once, it ends the
process (seen with 200 threads, 2026-11-27). A few keep every core busy all the same.
"""

from __future__ import annotations

import threading

PLACES = threading.BoundedSemaphore(16)
"""Held around a multiplication. Not to be taken twice by one thread."""
