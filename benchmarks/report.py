"""How a benchmark reports: one JSON object with the figures, and what they were measured with and on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

PACKAGES = ("sightline", "aiortc", "aiohttp", "python-socketio", "pylibsrtp", "av")


def summary(values: Sequence[float], *, digits: int = 1) -> dict[str, float | int]:
    """Percentiles of some measurements, not their mean: one slow run must not hide, nor shift the rest."""
    ordered = sorted(values)
    ninetieth = quantiles(ordered, n=10, method="inclusive")[-1] if len(ordered) > 1 else ordered[0]
    return {
        "count": len(ordered),
        "min": round(ordered[0], digits),
        "median": round(median(ordered), digits),
        "p90": round(ninetieth, digits),
        "max": round(ordered[-1], digits),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def environment(*programs: str) -> dict[str, Any]:
    """Versions and hardware; `programs` answer `--version` with theirs."""

    def answer(program: str) -> str:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[0]

    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "programs": {Path(program).name: answer(program) for program in programs},
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def report(name: str, figures: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Prints the result."""
    json.dump({"benchmark": name, **figures, "environment": about}, sys.stdout, indent=2, ensure_ascii=False)
    print()
