"""Stage ``dossier``: everything that a run knows of one site, as one folder and a PDF."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import RUN_FILES

STAGE = Stage(
    name="dossier",
    title="Dossier of a site",
    group="Screening",
    summary="Put together everything that a run knows of one site: a folder, a page and a PDF.",
    help="Maps with the landing disc, skyline, calendar of light and Earth contact over a year, "
    "criteria and margins, contributions to the score, uncertainty, craters and rocks nearby, "
    "height profiles, checks and warnings, provenance with checksums, and what to cite. All "
    "numbers are in site.json and in tables; the same run gives the same bytes again.",
    parameters=(
        Parameter(
            name="run",
            kind=Kind.FOLDER,
            files=RUN_FILES,
            positional=True,
            title="Run",
            help="Output folder of a completed screen.",
            required=True,
        ),
        Parameter(
            name="site",
            kind=Kind.INTEGER,
            title="Site",
            help="Number of the site in the report and in sites.gpkg, 1 being the best.",
            default=1,
            minimum=1,
            maximum=1_000_000,
        ),
        Parameter(
            name="out",
            kind=Kind.FOLDER,
            title="Output folder",
            help="Folder for the dossier. By default dossiers/site-N in the folder of the run.",
            output=True,
        ),
        Parameter(
            name="inputs",
            kind=Kind.FOLDER,
            title="Folder of the inputs",
            help="Where to look for the inputs of the run, if they have been moved. They are "
            "recognised by name and checksum.",
            advanced=True,
        ),
    ),
    outputs=(
        Output(
            name="page",
            kind=Kind.FILE,
            title="Page",
            help="The dossier as HTML, with its figures beside it.",
            path="index.html",
        ),
        Output(name="pdf", kind=Kind.FILE, title="PDF", help="The dossier.", path="dossier.pdf"),
        Output(
            name="numbers",
            kind=Kind.FILE,
            title="Numbers",
            help="All numbers of the dossier as JSON.",
            path="site.json",
        ),
    ),
    tags=("report", "PDF", "site", "skyline", "calendar", "SHAP"),
)
