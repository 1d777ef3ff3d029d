"""Writes the command-line reference from the declarations in ``engine/stages``: a page a stage.

The pages lie in ``docs/reference/stages``, which is not kept under version control.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _markdown import escaped, write

from lunarsite.engine import stages
from lunarsite.engine.contract import COMMON, DRY_RUN, Kind, Output, Parameter, Stage

if TYPE_CHECKING:
    from sphinx.application import Sphinx

INTRODUCTION = (
    'Every stage is a command, `lunarsite STAGE [options]`, a function, `ls.run("STAGE", ...)`, '
    "and an algorithm of the QGIS toolbox. All three are derived from one declaration in "
    "`engine/stages`, and so are these pages. In Python and in QGIS a parameter is named with "
    "underscores: `--far-field` is `far_field`."
)

METAVARS = {
    Kind.NUMBER: "NUMBER",
    Kind.INTEGER: "N",
    Kind.CHOICE: "CHOICE",
    Kind.DATE: "YYYY-MM-DD",
    Kind.TEXT: "TEXT",
    Kind.FOLDER: "FOLDER",
}
"""What follows a flag; FILE for every other kind."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx) -> None:
    """Write the index and the page of every stage."""
    folder = Path(app.srcdir) / "reference" / "stages"
    declared = stages.load_all()
    pages = {f"{stage.name}.md": page(stage) for stage in declared}
    pages["index.md"] = index(declared)
    for name, text in pages.items():
        write(folder / name, text)
    for stale in {path.name for path in folder.glob("*.md")} - set(pages):
        (folder / stale).unlink()


def index(declared: tuple[Stage, ...]) -> str:
    """Return the list of stages by group, with the options that all of them take."""
    lines = [
        "# Command line",
        "",
        INTRODUCTION,
        "",
    ]
    by_group = sorted(declared, key=lambda stage: stage.group)
    for group, members in groupby(by_group, key=lambda stage: stage.group):
        listed = list(members)
        lines += [f"## {escaped(group)}", ""]
        lines += [f"[`{s.name}`]({s.name}.md)\n: {escaped(s.summary)}\n" for s in listed]
        lines += ["```{toctree}", ":hidden:", "", *(s.name for s in listed), "```", ""]
    lines += ["## Options of every stage", "", "```{program} lunarsite", "```", ""]
    for parameter in COMMON:
        lines += option(parameter)
    lines += [
        "```{option} --json",
        "Write one JSON document to standard output, errors included.",
        "```",
        "",
        "```{option} --quiet",
        "Write no progress, log or summary.",
        "```",
        "",
    ]
    return "\n".join(lines)


def page(stage: Stage) -> str:
    """Return the page of a stage."""
    required = [p for p in stage.parameters if p.required]
    usage = " ".join(f"{p.flag} {metavar(p)}" for p in required)
    optional = [p for p in stage.parameters if not p.required and not p.advanced]
    advanced = [p for p in stage.parameters if not p.required and p.advanced]
    lines = [
        f"# {escaped(stage.name)}",
        "",
        f"*{escaped(stage.title)}.* {escaped(stage.summary)}",
        "",
        escaped(stage.help),
        "",
        "```",
        f"lunarsite {stage.name} {usage} [options]",
        "```",
        "",
        f"```{{program}} lunarsite {stage.name}",
        "```",
        "",
    ]
    for title, parameters in (
        ("Required", required),
        ("Options", optional),
        ("Advanced options", [*advanced, *([DRY_RUN] if stage.estimates else [])]),
    ):
        if parameters:
            lines += [f"## {title}", ""]
            for parameter in parameters:
                lines += option(parameter)
    lines += ["The [options of every stage](index.md#options-of-every-stage) apply too.", ""]
    if stage.outputs:
        lines += ["## Results", ""]
        lines += [result(output) for output in stage.outputs]
    declaration = f"engine/stages/{stage.name.replace('-', '_')}.py"
    pipeline = stage.pipeline.removeprefix("lunarsite.").replace(".", "/") + ".py"
    lines += [
        "## Where it stands",
        "",
        f"Declaration: `{declaration}`. Pipeline: `{pipeline}`.",
        "",
    ]
    return "\n".join(lines)


def option(parameter: Parameter) -> list[str]:
    """Return the entry of a parameter: flag, title, kind, default, range with unit, help."""
    facts = [kind(parameter)]
    if parameter.choices:
        facts.append("one of " + ", ".join(f"`{choice}`" for choice in parameter.choices))
    if parameter.minimum is not None or parameter.maximum is not None:
        facts.append(range_of(parameter))
    elif parameter.unit:
        facts.append(f"in {escaped(parameter.unit)}")
    if parameter.endings:
        facts.append("named " + " or ".join(f"`*{ending}`" for ending in parameter.endings))
    facts.append("required" if parameter.required else f"default {default(parameter)}")
    flag = parameter.flag
    if parameter.kind is Kind.BOOLEAN:
        head = f"{flag}, --no-{flag.removeprefix('--')}"
    else:
        head = f"{flag} {metavar(parameter)}"
    return [
        f"```{{option}} {head}",
        f"**{escaped(parameter.title)}** ({'; '.join(facts)}). {escaped(parameter.help)}",
        "```",
        "",
    ]


def result(output: Output) -> str:
    """Return the entry of an output."""
    facts = [output.kind.value]
    if output.unit:
        facts.append(escaped(output.unit))
    if output.path:
        facts.append(f"`{output.path}`")
    if output.optional:
        facts.append("only if the inputs allow it")
    return (
        f"`{output.name}`\n: **{escaped(output.title)}** ({'; '.join(facts)}). "
        f"{escaped(output.help)}\n"
    )


def kind(parameter: Parameter) -> str:
    """Return the kind of a parameter in words."""
    words = parameter.kind.value
    if parameter.geometry:
        words = f"{parameter.geometry} {words}"
    if parameter.many:
        words += ", one or several"
    return words + (" to write" if parameter.output else "")


def range_of(parameter: Parameter) -> str:
    """Return the closed range of a number with its unit."""
    unit = f" {escaped(parameter.unit)}" if parameter.unit else ""
    low, high = parameter.minimum, parameter.maximum
    if low is None or high is None:
        return f"at most {number(high)}{unit}" if low is None else f"at least {number(low)}{unit}"
    return f"{number(low)} to {number(high)}{unit}"


def number(value: float) -> str:
    """Return a number in full, with separators of thousands."""
    return f"{int(value):,}" if value == int(value) else f"{value:,g}"


def default(parameter: Parameter) -> str:
    """Return the default of a parameter; a dash where there is none."""
    value = parameter.default
    if value in (None, (), ""):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = number(value) if isinstance(value, int | float) else f"`{value}`"
    unit = f" {escaped(parameter.unit)}" if parameter.unit else ""
    return text + unit


def metavar(parameter: Parameter) -> str:
    """Return what follows a flag in the usage."""
    word = METAVARS.get(parameter.kind, "FILE")
    return f"{word} [{word} ...]" if parameter.many else word
