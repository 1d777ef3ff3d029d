"""A stage in a process of its own: how long it takes, and its peak of memory."""

from __future__ import annotations

import json
import subprocess
import sys

_CODE = """
import json, resource, sys, time
from lunarsite.engine.frontends import cli
begin = time.perf_counter()
code = cli.main(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([code, time.perf_counter() - begin, peak]), file=sys.stderr)
"""


def run_stage(stage: str, *arguments: object) -> tuple[float, float]:
    """Run a stage quietly, and return seconds and the peak in GiB; exit if it fails."""
    command = [sys.executable, "-c", _CODE, stage, *map(str, arguments), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    code, seconds, peak = json.loads(done.stderr.strip().splitlines()[-1])
    if code:
        raise SystemExit(done.stderr)
    return seconds, peak
