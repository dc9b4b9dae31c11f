"""The machine a figure was measured on, in one line."""

import os
import platform
import sqlite3
import sys
from pathlib import Path


def machine() -> str:
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()} of {sys.base_prefix}, SQLite {sqlite3.sqlite_version}"
    )
