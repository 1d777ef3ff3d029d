"""A server of files for tests: it counts bytes, knows ranges, and fails in the ways servers do.

It runs in a process of its own: GDAL may hold Python's lock while it waits for an answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

_SERVE = r"""
import hashlib, http.server, json, os, re, sys, time
folder, log = sys.argv[1:3]
seen = {}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): pass

    def do_HEAD(self): self.do_GET()

    def do_GET(self):
        name = self.path.rpartition("/")[2].partition("?")[0]
        path = os.path.join(folder, name)
        asked = self.headers.get("Range", "")
        how = {}
        if os.path.exists(os.path.join(folder, "how.json")):
            how = json.load(open(os.path.join(folder, "how.json")))
        seen[name] = seen.get(name, 0) + 1
        self.answer(path, asked, how, seen[name])

    def note(self, asked, sent):
        # Before the answer: who has it may look at once.
        with open(log, "a") as file:
            file.write(json.dumps({"path": self.path, "range": asked, "sent": sent,
                                   "agent": self.headers.get("User-Agent", "")}) + "\n")

    def answer(self, path, asked, how, number):
        first = number <= how.get("times", 10**9)
        if first and how.get("status"):
            body = b"no"
            self.note(asked, 0)
            self.send_response(how["status"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if not os.path.exists(path):
            self.note(asked, 0)
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        size = os.path.getsize(path)
        tag = '"%s"' % os.stat(path).st_mtime_ns
        start, stop = 0, size
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
        ranged = bool(match) and not how.get("no_ranges")
        if ranged and self.headers.get("If-Range", tag) == tag:
            start = int(match[1])
            stop = min(int(match[2]) + 1, size) if match[2] else size
            if start >= size:
                self.note(asked, 0)
                self.send_response(416)
                self.send_header("Content-Range", "bytes */%d" % size)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            code = 206
        else:
            code = 200
        left = stop - start if self.command == "GET" else 0
        if first and "cut_after" in how:
            left = min(left, how["cut_after"])
        self.note(asked, left)
        self.send_response(code)
        if code == 206:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, stop - 1, size))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", how.get("type", "application/octet-stream"))
        self.send_header("ETag", tag)
        if not how.get("no_length"):
            self.send_header("Content-Length", str(stop - start))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        with open(path, "rb") as file:
            file.seek(start)
            while left:
                piece = file.read(min(left, 1 << 16))
                self.wfile.write(piece)
                left -= len(piece)
        self.wfile.flush()
        if first and "cut_after" in how:
            if how.get("stall_s"):
                time.sleep(how["stall_s"])
            for _ in range(how.get("drips", 0)):
                self.wfile.write(b"x")
                time.sleep(0.1)
            self.close_connection = True

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
"""


class FileServer:
    """A running server.

    Parameters
    ----------
    address : str
        Below which its files are.
    folder : Path
        Its files.
    log : Path
        What it was asked for.
    """

    def __init__(self, address, folder, log):
        self.address, self.folder, self._log = address, folder, log

    @property
    def requests(self):
        """What was asked for: ``path``, ``range``, ``sent`` bytes and ``agent``."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def sent_bytes(self):
        return sum(request["sent"] for request in self.requests)

    def forget(self):
        self._log.write_text("")

    def fail(self, **how):
        """Answer from now on as told; without arguments as a server should.

        ``status`` answers that; ``cut_after`` ends the connection after so many bytes, ``stall_s``
        seconds later or after ``drips`` bytes, ten a second; ``no_ranges`` and ``no_length`` leave
        those out; ``type`` is the type of the content; ``times`` requests of each file are answered
        so.
        """
        (self.folder / "how.json").write_text(json.dumps(how))


@contextmanager
def serving(folder):
    """Serve the files of a folder.

    Yields
    ------
    FileServer
        The server.
    """
    folder = Path(folder)
    log = folder.with_name(f"{folder.name}.log")
    command = [sys.executable, "-c", _SERVE, str(folder), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline())
            yield FileServer(f"http://127.0.0.1:{port}", folder, log)
        finally:
            process.kill()
