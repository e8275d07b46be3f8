"""How much memory this machine has."""

import os
from pathlib import Path


def memory() -> float:
    """Bytes of this machine, or that its container may use."""
    have = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) if hasattr(os, "sysconf") else 16e9
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    return have if text == "max" else min(have, float(text))
