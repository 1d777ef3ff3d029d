"""The app in a real browser: first paint, and a click on its map."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from support import chromium

pytest.importorskip("streamlit", reason="the group app is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no Chromium"),
]

SHOWN = "document.body && /Suitability\\n/.test(document.body.innerText)"
TITLE = "document.querySelector('h3') && document.querySelector('h3').innerText"


@pytest.fixture(scope="module")
def folder(small_run):
    return small_run


@pytest.fixture(scope="module")
def address(folder):
    """Return the address of the app, started as a user starts it."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    code = "import sys; from lunarsite.engine.frontends.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "app", str(folder), "--no-browser", "--port", str(port)]
    server = subprocess.Popen(words, start_new_session=True)
    limit = time.monotonic() + 120.0
    while True:
        try:
            urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1)
            break
        except OSError:
            assert time.monotonic() < limit
            assert server.poll() is None
            time.sleep(0.2)
    yield f"http://localhost:{port}/"
    os.kill(server.pid, signal.SIGINT)
    assert server.wait(timeout=30) == 0


@pytest.fixture
def browser(tmp_path):
    made = chromium.Browser(tmp_path / "profile")
    yield made
    made.close()


def test_the_page_paints_at_once_and_a_click_is_answered(
    browser, address, tmp_path, record_property
):
    browser.open(address)
    browser.wait(SHOWN, 120.0)
    begin = time.perf_counter()
    browser.open(address)
    browser.wait(SHOWN)
    first_paint_s = time.perf_counter() - begin
    before = browser.value(TITLE)
    frame = "document.querySelector('iframe')"
    browser.wait(f"{frame} && {frame}.getBoundingClientRect().height > 100")
    time.sleep(2.0)  # the picture in the frame loads after the frame
    left, top, width, height = browser.value(
        f"(() => {{const b = {frame}.getBoundingClientRect(); "
        "return [b.left, b.top, b.width, b.height]})()"
    )
    browser.click(left + 0.5 * width, top + 0.4 * height)
    answered_s = browser.wait(f"{TITLE} !== {before!r}")
    browser.picture(tmp_path / "app.png")
    record_property("seconds", {"first paint": first_paint_s, "click to score": answered_s})
    sys.stderr.write(f"first paint {first_paint_s:.2f} s, click to score {answered_s:.2f} s\n")
    assert first_paint_s < 10.0
    assert answered_s < 5.0
