"""Look up known vulnerabilities of the pinned packages, and fail if there are any.

    .venv/bin/python tools/audit.py

pip-audit asks the Python Package Index. An index that does not tell vulnerabilities, as mirrors do
not, leaves packages unaudited, which is said and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP_AUDIT = "pip-audit==2.10.1"
GROUPS = ("core", "ml", "torch", "dev", "docs", "build", "uv")


def main() -> int:
    """Audit every group, and return the exit code."""
    found: dict[str, list[str]] = {}
    audited: set[str] = set()
    skipped: set[str] = set()
    for group in GROUPS:
        for package in audit(ROOT / "requirements" / f"{group}.txt"):
            name = f"{package['name']} {package.get('version', '')}".strip()
            (skipped if "skip_reason" in package else audited).add(name)
            for each in package.get("vulns", []):
                mended = ", ".join(each["fix_versions"]) or "none yet"
                found.setdefault(name, []).append(f"{each['id']} (mended in: {mended})")
    for name, vulnerabilities in sorted(found.items()):
        sys.stdout.write(f"audit: {name}: {'; '.join(dict.fromkeys(vulnerabilities))}\n")
    sys.stdout.write(
        f"audit: {len(audited)} packages audited, {len(found)} with known vulnerabilities, "
        f"{len(skipped - audited)} not audited: the index does not tell\n"
    )
    return 1 if found else 0


def audit(requirements: Path) -> list[dict[str, object]]:
    """Return what pip-audit says of each package; nothing if it cannot be run."""
    uv = ROOT / ".tools" / "uv" / "bin" / "uv"
    command = [str(uv), "tool", "run", "--quiet", "--from", PIP_AUDIT, "pip-audit"]
    command += ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "-f", "json"]
    done = subprocess.run(
        [*command, "-r", str(requirements)], capture_output=True, text=True, check=False
    )
    try:
        listed = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        sys.stdout.write(f"audit: {requirements.name} not audited: {reason}\n")
        return []
    return list(listed)


if __name__ == "__main__":
    sys.exit(main())
