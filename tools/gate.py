"""Check the packaged files with Bandit and detect-secrets, as the plugin repository does.

    .venv/bin/python tools/gate.py

The files are those of the zip. A finding that cannot be avoided is marked on its line with the
number of Bandit and the reason, ``# nosec B603  # no shell; the user's own interpreter``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import package

MARK = re.compile(r"#\s*nosec\b.*")
WITH_REASON = re.compile(r"#\s*nosec B\d{3}(, ?B\d{3})*\s+# \S+ \S+")


def unexplained(folder: Path) -> list[str]:
    """Return the marks without a finding or a reason."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            mark = MARK.search(line)
            if mark and not WITH_REASON.match(mark[0]):
                where = f"{path.relative_to(folder)}:{number}"
                found.append(f"{where} {mark[0]!r} should read '# nosec B603  # the reason'")
    return found


def risky(folder: Path) -> list[str]:
    """Return the findings of Bandit.

    Raises
    ------
    RuntimeError
        If Bandit could not read a file.
    """
    answer = json.loads(
        _run("bandit", "--quiet", "--recursive", "--format", "json", ".", at=folder)
    )
    if answer["errors"]:
        raise RuntimeError(f"Bandit could not read all files: {answer['errors']}")
    return [
        f"{Path(each['filename'])}:{each['line_number']} {each['test_id']} {each['issue_text']}"
        for each in answer["results"]
    ]


def secrets(folder: Path) -> list[str]:
    """Return possible secrets."""
    answer = json.loads(_run("detect-secrets", "scan", "--all-files", ".", at=folder))
    return [
        f"{name}:{each['line_number']} {each['type']}"
        for name, listed in answer["results"].items()
        for each in listed
    ]


def findings(folder: Path) -> list[str]:
    """Return all findings for which the plugin repository would refuse a folder."""
    return [*unexplained(folder), *risky(folder), *secrets(folder)]


def _run(program: str, *words: str, at: Path) -> str:
    command = [Path(sys.executable).with_name(program), *words]
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise RuntimeError(f"{program} said nothing: {done.stderr}")
    return done.stdout


def main() -> int:
    """Package the plugin, and check its files."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        with zipfile.ZipFile(package.build(folder)) as opened:
            opened.extractall(folder / "unpacked")
        found = findings(folder / "unpacked" / package.NAME)
    for each in found:
        sys.stderr.write(f"gate: {each}\n")
    sys.stdout.write(f"gate: {len(found)} findings by Bandit and detect-secrets\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
