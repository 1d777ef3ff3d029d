"""Standard streams that are closed, full or without a reader: the work is done, and one line."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")

LOST = "cannot be written to stdout: No space left on device"


def shell(words, redirection, *, before=""):
    code = "from lunarsite.engine.frontends.cli import main; raise SystemExit(main())"
    command = shlex.join([sys.executable, "-c", code, *map(str, words)])
    return subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", f"{before}{command} {redirection}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("redirection", "code", "line"),
    [
        ("2>&-", 0, ""),
        (">&-", 0, ""),
        ("<&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        (">/dev/full", 2, LOST),
        (">/dev/full 2>&1", 2, ""),
        ("| true", 141, ""),
    ],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_the_work_is_done_whatever_the_streams_are(tmp_path, redirection, code, line, as_json):
    out = tmp_path / "dem.tif"
    words = ["synthesize", "--out", out, "--size-px", 64, *as_json]
    found = shell(words, redirection)
    assert out.exists()
    assert found.returncode == code, found.stderr
    assert "Traceback" not in found.stderr
    assert "failed unexpectedly" not in found.stderr
    logged = [text for text in found.stderr.splitlines() if not text[:1].isdigit()]
    assert len(logged) == bool(line)
    assert line in found.stderr
    # What a library prints must not have gone into the file that got the number of a stream.
    assert out.read_bytes()[:2] == b"II"


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&- >&-", ">/dev/full"])
def test_an_error_has_its_code_whatever_the_streams_are(tmp_path, redirection):
    words = ["terrain", "--dem", "none.tif", "--out", tmp_path / "out", "--json"]
    found = shell(words, redirection)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr + found.stdout


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["stages"], ["terrain", "--help"]])
def test_short_answers_to_a_full_or_closed_stdout(words):
    full, closed = shell(words, ">/dev/full"), shell(words, ">&-")
    assert (full.returncode, closed.returncode) == (2, 0)
    assert full.stderr.count("\n") == 1
    assert LOST in full.stderr
    assert closed.stderr == ""


@pytest.mark.parametrize("redirection", ["2>&-", ">&-", "2>/dev/full", ">/dev/full", "<&-"])
def test_the_worker_ends_whatever_its_streams_are(redirection):
    # Where the worker's end is closed first, the other end must not be killed for it.
    asking = """(trap "" PIPE; echo '{"id": 1, "method": "ping"}' 2>/dev/null || true) | """
    found = shell(["worker"], redirection, before=asking)
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr
