"""Start the engine of this folder in the interpreter that runs this file.

The plugin runs it with the interpreter in which the engine's libraries are installed. The folder
above is imported as the package ``lunarsite``, whatever its name and location: the engine always
has the version of the plugin, and other plugins beside it cannot be imported.

    python -I engine/launch.py worker
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def main() -> int:
    """Import the package and run its command line."""
    root = Path(__file__).resolve().parents[1]
    spec = importlib.util.spec_from_file_location(
        "lunarsite", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{root} is not a package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["lunarsite"] = package
    spec.loader.exec_module(package)

    from lunarsite.engine.frontends import cli  # noqa: PLC0415  the package does not exist before

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
