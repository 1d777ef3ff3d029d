"""Starts this folder's engine in whatever interpreter runs this file.

The plugin calls it with the interpreter that holds the engine's libraries. The folder it stands in
becomes the package ``lunarsite``, whatever its name and wherever it lies: the engine's code is
always that of the plugin, and nothing else in the plugin's neighbourhood can be imported.

    python -I engine/launch.py worker
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def main() -> int:
    """Load the package and hand the command line to it."""
    root = Path(__file__).resolve().parents[1]
    spec = importlib.util.spec_from_file_location(
        "lunarsite", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{root} holds no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["lunarsite"] = package
    spec.loader.exec_module(package)

    from lunarsite.engine.frontends import cli  # noqa: PLC0415  there is no package before

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
