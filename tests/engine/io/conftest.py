from __future__ import annotations

import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path, request):
    """Return a folder on a disk of its own, of the size asked for."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here to make a small disk with")
    if done.returncode:
        pytest.skip("only root may mount the small disk that this needs")
    yield folder
    subprocess.run(["/bin/umount", "-l", str(folder)], check=True)
