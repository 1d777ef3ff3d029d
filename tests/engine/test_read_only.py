"""The package in a folder that cannot be written, for a user without a home."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Root may write anywhere: the permissions are replaced, and so are numba's other places.
RUN = """
import os, sys
real = os.access
os.access = lambda *_: False
from lunarsite import engine
os.access = real
from numba.core import caching
for locator in caching.CacheImpl._locator_classes:
    if "UserProvided" not in locator.__name__:
        locator.from_function = classmethod(lambda *_: None)
from lunarsite.engine.frontends import cli
code = cli.main(["synthesize", "--size-px", "64", "--pixel-m", "240", "--out", sys.argv[1]])
print("cache", os.environ.get("NUMBA_CACHE_DIR"))
raise SystemExit(code)
"""


@pytest.mark.parametrize("given", ["", "own"])
def test_compiled_functions_find_a_cache(tmp_path, given):
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment["TMPDIR"] = str(tmp_path)
    if given:
        environment["NUMBA_CACHE_DIR"] = str(tmp_path / given)
    done = subprocess.run(
        [sys.executable, "-c", RUN, tmp_path / "dem.tif"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dem.tif").is_file()
    cache = done.stdout.split("cache ")[1].strip()
    assert cache.startswith(str(tmp_path / (given or "lunarsite-numba-")))
    assert os.listdir(cache)  # noqa: PTH208
