"""A headless Chromium, spoken to through its pipe: no driver, no other package."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time

PROGRAM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


class Browser:
    """One page in a headless Chromium."""

    def __init__(self, profile):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # Chromium reads commands from descriptor 3 and writes answers to 4.
        command = f'exec 3<&{to_read} 4>&{to_write}; exec "$0" "$@"'
        self._process = subprocess.Popen(
            [
                shutil.which("bash") or "/bin/bash",
                "-c",
                command,
                PROGRAM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--window-size=1300,1600",
                f"--user-data-dir={profile}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._rest, self._number, self.errors = b"", 0, []
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self._call(
            "Target.attachToTarget", targetId=page["targetId"], flatten=True, at=None
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **given):
        """Call a method of the page, and return its result."""
        return self._call(method, at=self._session, **given)

    def open(self, address):
        """Open a page, and wait until it is loaded."""
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression):
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, expression, within_s=60.0):
        """Wait until an expression is true in the page; return the seconds that it took."""
        begin = time.perf_counter()
        while not self.value(expression):
            assert time.perf_counter() - begin < within_s, f"never true: {expression}"
            time.sleep(0.02)
        return time.perf_counter() - begin

    def click(self, x, y):
        """Click into the page, at pixels of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, path):
        """Save a picture of the window."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        """End the browser."""
        with contextlib.suppress(AssertionError, OSError):
            self._call("Browser.close", at=None)
        self._process.wait(timeout=30)
        os.close(self._write)
        os.close(self._read)

    def _call(self, method, *, at=None, **given):
        self._number += 1
        message = {"id": self._number, "method": method, "params": given}
        if at:
            message["sessionId"] = at
        os.write(self._write, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + 60.0
        while True:
            answer = self._next(limit)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer)

    def _note(self, event):
        """Keep what the page says went wrong."""
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(event["params"]["exceptionDetails"])
        entry = event.get("params", {}).get("entry", {})
        if event.get("method") == "Log.entryAdded" and entry.get("level") == "error":
            self.errors.append(entry)

    def _next(self, limit):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(limit - time.monotonic(), 0.0))
            assert ready, "Chromium does not answer"
            part = os.read(self._read, 1 << 20)
            assert part, "Chromium has ended"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)
