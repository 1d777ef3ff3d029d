"""A stage for the tests of the front ends: it sleeps, reports, prints, counts and fails on demand.

Run as a script, it is the command line with this stage only.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from lunarsite.engine import stages
from lunarsite.engine.atomic import whole_file
from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.errors import InputError

STAGE = Stage(
    name="echo",
    title="Echo",
    group="Tests",
    summary="Echo the parameters.",
    help="Writes its parameters to a file, slowly on request.",
    module="lunarsite.engine.stages.echo",
    parameters=(
        Parameter(
            name="out",
            kind=Kind.FOLDER,
            title="Output folder",
            help="Folder of the note.",
            required=True,
            output=True,
        ),
        Parameter(
            name="delay_s",
            kind=Kind.NUMBER,
            title="Delay",
            help="Run time, 100 % of it asleep.",
            default=0.0,
            unit="s",
            minimum=0,
            maximum=100,
        ),
        Parameter(
            name="steps",
            kind=Kind.INTEGER,
            title="Steps",
            help="Number of progress reports.",
            default=4,
            minimum=1,
        ),
        Parameter(
            name="layers",
            kind=Kind.RASTER,
            title="Layers",
            help="Read in order.",
            default=(),
            many=True,
        ),
        Parameter(
            name="loud", kind=Kind.BOOLEAN, title="Loud", help="Print as well.", default=False
        ),
        Parameter(name="start", kind=Kind.DATE, title="Start", help="A day."),
        Parameter(name="lon_deg", kind=Kind.NUMBER, title="Longitude", help="East.", unit="deg"),
        Parameter(
            name="fail",
            kind=Kind.CHOICE,
            title="Failure",
            help="Kind of failure.",
            default="never",
            choices=("never", "input", "bug", "memory", "unresponsive"),
            advanced=True,
        ),
    ),
    outputs=(
        Output(name="note", kind=Kind.FILE, title="Note", help="The layers.", path="note.txt"),
    ),
)


def run(values, context):
    fail = values["fail"]
    note = Path(values["out"]) / "note.txt"
    if values["loud"]:
        sys.stdout.write("a library prints\n")
        os.write(1, b"a C library prints\n")
        context.warn("It is loud")
    with whole_file(note) as partial:
        partial.write_text("half")
        for step in range(values["steps"]):
            if fail == "unresponsive":
                time.sleep(values["delay_s"] / values["steps"])
                continue
            context.progress(step / values["steps"], f"step {step}")
            time.sleep(values["delay_s"] / values["steps"])
        if fail == "input":
            raise InputError("The layer is upside down", "Turn it")
        if fail == "bug":
            raise RuntimeError("two and two made five")
        if fail == "memory":
            raise MemoryError("Unable to allocate 1 PiB")
        if fail != "unresponsive":
            context.progress(1.0, "done")
        partial.write_text(repr(values["layers"]))
    context.warm["count"] = context.warm.get("count", 0) + 1
    return {
        "outputs": {"note": note},
        "nothing": float("nan"),
        "endless": [float("inf"), {"deep": float("-inf")}],
        "values": values,
        "count": context.warm["count"],
        "threads": context.threads,
    }


def register():
    sys.modules["lunarsite.engine.stages.echo"] = sys.modules[__name__]
    stages.NAMES = ("echo",)


if __name__ == "__main__":
    from lunarsite.engine.frontends.cli import main

    register()
    sys.exit(main())
