"""Screen in a process of its own that can be cut off: KILL_AT names a share of the progress.

The report is a stand-in and no scorer comes along: these tests are about the run alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

from lunarsite.engine import report, stages
from lunarsite.engine.frontends import cli, execution
from lunarsite.engine.scoring import bundle


def write_report(folder, _values, manifest, context):
    context.progress(0.5, "report")
    said = {key: manifest[key] for key in ("warnings", "parameters", "inputs")}
    (Path(folder) / "report.html").write_text(json.dumps(said, sort_keys=True))


report.write_report = write_report
bundle.FOLDER = Path("none")


def kill_at(share):
    def told(fraction, _message):
        if fraction >= share:
            os.kill(os.getpid(), signal.SIGKILL)

    return told


if __name__ == "__main__":
    if os.environ.get("KILL_AT"):
        execution.run_stage(
            stages.load("screen"),
            json.loads(sys.argv[1]),
            cancelled=threading.Event(),
            report=kill_at(float(os.environ["KILL_AT"])),
        )
    sys.exit(cli.main(sys.argv[1:]))
