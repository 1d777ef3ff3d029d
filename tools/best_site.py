"""Print the location of the best site of a run as options of a stage: best_site.py RUN."""

from __future__ import annotations

import json
import sys
from pathlib import Path

manifest = json.loads((Path(sys.argv[1]) / "manifest.json").read_text(encoding="utf-8"))
best = manifest["steps"]["score"]["result"]["best"]
sys.stdout.write(f"--lon={best['lon_deg']:.6f} --lat={best['lat_deg']:.6f}\n")
