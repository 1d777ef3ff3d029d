"""Extracts uv from its wheel, which is a zip file.

Run by the base interpreter of the engine: ``unpack_uv.py WHEELS PINS TARGET``. Of wheels for
several systems, the one that runs on this one is used; only wheels with a pinned hash are opened.
"""

from __future__ import annotations

import hashlib
import re
import subprocess  # nosec B404  # to try the extracted program
import sys
import zipfile
from pathlib import Path


def main(wheels: str, pins: str, target: str) -> int:
    """Extract the pinned uv from a wheel folder to a file, and return the exit code."""
    pinned = Path(pins).read_text("utf-8")
    version = pinned.partition("==")[2].split()[0]
    hashes = set(re.findall(r"sha256:([0-9a-f]{64})", pinned))
    program = Path(target)
    program.parent.mkdir(parents=True, exist_ok=True)
    tried = sorted(Path(wheels).glob(f"uv-{version}-*.whl"))
    for wheel in tried:
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in hashes:
            sys.stdout.write(f"error: {wheel.name} is not the pinned file: its hash differs\n")
            continue
        if _unpack(wheel, program) and _runs(program):
            sys.stdout.write(f"using uv {version} from {wheel.name}\n")
            return 0
    program.unlink(missing_ok=True)
    sys.stdout.write(f"error: {wheels} has no wheel of uv {version} for this system\n")
    return 1


def _unpack(wheel: Path, program: Path) -> bool:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(f".data/scripts/{program.name}"):
                    program.write_bytes(archive.read(name))
                    program.chmod(0o755)
                    return True
    except (OSError, zipfile.BadZipFile) as error:
        sys.stdout.write(f"{wheel.name}: {error}\n")
    return False


def _runs(program: Path) -> bool:
    try:
        done = subprocess.run(  # nosec B603  # no shell; from the user's wheel folder
            [str(program), "--version"], capture_output=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
