"""Build the zip of the plugin, ``dist/lunarsite-<version>.zip``, and check it.

    .venv/bin/python tools/package.py [FOLDER]

pb_tool assembles the folder of the plugin from ``pb_tool.cfg``. The zip is written here: that of
pb_tool depends on file times, the order of files and the commit, and needs a zip program, so that
the same files would not give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
NAME = "lunarsite"
LIMIT_BYTES = 25_000_000
"""Size limit of the plugin repository."""
SUFFIXES = frozenset(
    {
        ".css",
        ".csv",
        ".html",
        ".js",
        ".jgw",
        ".jpg",
        ".json",
        ".md",
        ".model3",
        ".png",
        ".py",
        ".pyi",
        ".qml",
    }
    | {".safetensors", ".svg", ".tif", ".toml", ".txt", ".ubj", ".xml", ".yaml"}
)
BARE = frozenset({"LICENSE", "MD5SUMS", "SHA256SUMS"})
"""Files without a suffix."""
NEEDED = (
    "__init__.py",
    "metadata.txt",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "pyproject.toml",
    "requirements/core.txt",
    "requirements/ml.txt",
    "requirements/torch.txt",
    "requirements/uv.txt",
    "requirements/sbom.cdx.json",
    "THIRD_PARTY.md",
    "engine/launch.py",
    "lunarsite_plugin/plugin.py",
    "processing_provider/provider.py",
    "models/SHA256SUMS",
    "resources/moon/SHA256SUMS",
    "resources/moon/lola_70S_1600m.tif",
    "resources/icons/lunarsite.svg",
)
_TIME = (1980, 1, 1, 0, 0, 0)
_CACHES = "__pycache__"


def version() -> str:
    """Return the version of the package."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def build(folder: Path) -> Path:
    """Write the zip to a folder and return its path; the same files give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{NAME}-{version()}.zip"
    with tempfile.TemporaryDirectory() as work:
        _deploy(Path(work))
        files = sorted(
            (path.relative_to(work).as_posix(), path)
            for path in (Path(work) / NAME).rglob("*")
            if path.is_file() and _CACHES not in path.parts
        )
        with zipfile.ZipFile(target, "w") as out:
            for name, path in files:
                entry = zipfile.ZipInfo(name, _TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3  # Unix, wherever it is written
                entry.external_attr = 0o100644 << 16
                out.writestr(entry, path.read_bytes(), compresslevel=9)
    return target


def problems(package: Path) -> list[str]:
    """Return the problems of a zip, one sentence each."""
    found = []
    if package.name != f"{NAME}-{version()}.zip":
        found.append(f"its name is {package.name}, not {NAME}-{version()}.zip")
    if package.stat().st_size >= LIMIT_BYTES:
        found.append(f"it has {package.stat().st_size} bytes, {LIMIT_BYTES} or more")
    with zipfile.ZipFile(package) as opened:
        names = opened.namelist()
        inside = {name.removeprefix(f"{NAME}/"): opened.read(name) for name in names}
        found += [
            f"{entry.filename} carries a time of its own"
            for entry in opened.infolist()
            if entry.date_time != _TIME
        ]
    found += [f"{name} lies outside {NAME}/" for name in names if not name.startswith(f"{NAME}/")]
    if names != sorted(set(names)):
        found.append("its files are not in order, or twice there")
    found += [f"{name} is missing" for name in (*NEEDED, *_sources()) if name not in inside]
    found += [f"{name} does not belong there" for name in inside if not _belongs(name)]
    found += _differing(inside)
    return found + _contradictions(inside)


def _deploy(folder: Path) -> None:
    """Assemble the plugin in a folder with pb_tool."""
    program = Path(sys.executable).with_name("pb_tool")
    subprocess.run(
        [program, "deploy", "--quick", "--no-confirm", "--no-docs", "--plugin_path", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env=dict(os.environ, PYTHONUTF8="1"),
    )


def _sources() -> list[str]:
    """Return the files of the checkout that the plugin needs."""
    found = []
    for pattern in ("engine", "lunarsite_plugin", "processing_provider", "models", "resources"):
        found += [
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / pattern).rglob("*")
            if path.is_file() and _CACHES not in path.parts
        ]
    return sorted(set(found) - set(NEEDED))


def _belongs(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    strange = path.suffix not in SUFFIXES if path.suffix else path.name not in BARE
    foreign = path.parts[0] in {"tests", "benchmarks", "docs", "tools", "dist", "build"}
    return not (hidden or strange or foreign or _CACHES in path.parts)


def _differing(inside: dict[str, bytes]) -> list[str]:
    return [
        f"{name} is not as in the checkout"
        for name, content in inside.items()
        if (ROOT / name).is_file() and (ROOT / name).read_bytes() != content
    ]


def _contradictions(inside: dict[str, bytes]) -> list[str]:
    """Return inconsistencies between files of the zip."""
    found = []
    metadata = ConfigParser()
    metadata.read_string(inside.get("metadata.txt", b"[general]").decode("utf-8"))
    told = metadata.get("general", "version", fallback="none")
    if told != version():
        found.append(f"metadata.txt says version {told}, pyproject.toml {version()}")
    for line in inside.get("models/SHA256SUMS", b"").decode("utf-8").splitlines():
        digest, _, name = line.partition("  ")
        if hashlib.sha256(inside.get(f"models/{name}", b"")).hexdigest() != digest:
            found.append(f"models/{name} is not the one of models/SHA256SUMS")
    return found


def main() -> int:
    """Build the package, check it, and print its size."""
    package = build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist")
    found = problems(package)
    for problem in found:
        sys.stderr.write(f"package: {problem}\n")
    sys.stdout.write(f"{package}: {package.stat().st_size} bytes\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
