"""Calibrate and evaluate the segmentation networks that ship again, and rewrite their cards.

    .venv/bin/python tools/evaluate_networks.py

For changes of what follows the features: temperatures, MC Dropout, test-time augmentation. The
weights stay as they are; the held-out scenes are those of the training recipes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lunarsite.engine import device
from lunarsite.engine.context import Context
from lunarsite.engine.segmentation import weights
from lunarsite.engine.segmentation.training import held_out, recipe

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Rewrite the cards."""
    context = Context()
    for name in ("surface", "surface-light", "orbital"):
        path = ROOT / "models" / f"segmenter-{name}.safetensors"
        loaded = weights.load(path)
        listed = loaded.card["recipe"].items()
        chosen = recipe.Recipe(**{k: tuple(v) if isinstance(v, list) else v for k, v in listed})
        found = held_out.calibrate_and_evaluate(
            loaded, chosen, None, ROOT / ".cache" / "scenes", device.for_networks(context), context
        )
        card = loaded.card | found
        path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        sys.stdout.write(f"{name}: {found['calibration']}\n")


if __name__ == "__main__":
    main()
