"""A stand-in of Kaggle's server: the endpoints that its client calls, over HTTP on its test port.

Kaggle's client knows one address for tests, ``localhost:7777``: of several processes that want it,
one has the port, and the others wait for it.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import re
import sys
import threading
import time
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from slugify import slugify

PORT = 7777
USER, KEY, TOKEN = "selene", "not-a-real-key-4711", "KGAT_not-a-real-token-4711"
ACTIVE = ("QUEUED", "RUNNING")

DROP = "drop"
"""Fault: the connection ends without an answer."""

LOSE = "lose"
"""Fault: the request is carried out, and the connection ends without an answer."""


@dataclass
class Kernel:
    """A kernel: each look at its state takes the next one, and the last stays.

    For ``lag`` looks after a push Kaggle still gives the state of the version before.
    """

    states: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    log: str = "ready\n"
    message: str = ""
    held: bool = False
    versions: int = 0
    lag: int = 0
    before: str = ""
    left: deque = field(default_factory=deque)

    def state(self):
        if self.held:
            return "RUNNING"
        return self.left.popleft() if len(self.left) > 1 else self.left[0]

    @property
    def active(self):
        return bool(self.versions) and (self.held or self.left[0] in ACTIVE)


class Server:
    """What the stand-in knows, and what it was asked."""

    def __init__(self):
        self.kernels = {}
        self.datasets = {f"{USER}/lunarsite-engine": "READY"}
        self.pushes, self.asked, self.blobs, self.settings = [], [], {}, []
        self.faults = defaultdict(deque)
        self.sessions = 100
        self.page = 2
        self.lock = threading.RLock()

    def plan(self, slug, *states, **options):
        """Say what becomes of a kernel when it is pushed."""
        self.kernels[slug] = Kernel(list(states) or ["QUEUED", "RUNNING", "COMPLETE"], **options)
        return self.kernels[slug]

    def pushed(self):
        return [request["slug"].partition("/")[2] for request in self.pushes]

    def answer(self, name, request):
        """Return status and content of the answer to a request."""
        return getattr(self, f"_{name}")(request)

    def _IntrospectToken(self, request):  # noqa: N802  Kaggle's name
        return 200, {"active": request["token"] == TOKEN, "username": USER}

    def _SaveKernel(self, request):  # noqa: N802
        slug = slugify(request["newTitle"])
        kernel = self.kernels.get(slug)
        if kernel is None:
            return 400, {"code": 400, "message": f"no plan for {slug}"}
        active = sum(each.active for each in self.kernels.values())
        if active >= self.sessions:
            return 200, {"error": f"Maximum batch GPU session count of {self.sessions} reached."}
        self.pushes.append(request)
        kernel.versions += 1
        kernel.before = kernel.left[0] if kernel.left else ""
        kernel.left = deque(kernel.states)
        unknown = [
            each for each in request.get("datasetDataSources", []) if each not in self.datasets
        ]
        found = {"versionNumber": kernel.versions, "url": f"https://kaggle.example/{slug}"}
        return 200, found | {"invalidDatasetSources": [u for u in unknown if u.startswith(USER)]}

    def _GetKernelSessionStatus(self, request):  # noqa: N802
        kernel = self.kernels.get(request["kernelSlug"])
        if request["userName"] != USER or kernel is None or not kernel.versions:
            return 403, {"code": 403, "message": "Permission 'kernels.get' was denied"}
        label = request.get("versionLabel", f"v{kernel.versions}")
        if label != f"v{kernel.versions}":
            return 404, {"code": 404, "message": f"no version {label}"}
        if kernel.before and kernel.lag:
            kernel.lag -= 1
            if "versionLabel" in request:
                return 404, {"code": 404, "message": f"no version {label}"}
            return 200, {"status": kernel.before}
        state = kernel.state()
        return 200, {"status": state, "failureMessage": kernel.message if state == "ERROR" else ""}

    def _ListKernelSessionOutput(self, request):  # noqa: N802
        kernel = self.kernels[request["kernelSlug"]]
        start = int(request.get("pageToken") or 0)
        names = sorted(kernel.files)
        listed = [
            {
                "fileName": name,
                "url": f"http://localhost:{PORT}/files/{request['kernelSlug']}/{name}",
            }
            for name in names[start : start + self.page]
        ]
        pieces = [{"stream_name": "stdout", "time": 1.0, "data": kernel.log}]
        more = str(start + self.page) if start + self.page < len(names) else ""
        return 200, {"files": listed, "log": json.dumps(pieces), "nextPageToken": more}

    def _GetDatasetStatus(self, request):  # noqa: N802
        state = self.datasets.get(f"{request['ownerSlug']}/{request['datasetSlug']}")
        if state is None:
            return 404, {"code": 404, "message": "Not found"}
        return 200, {"status": state}

    def _StartBlobUpload(self, request):  # noqa: N802
        token = f"blob-{len(self.blobs)}"
        self.blobs[token] = [request["name"], b""]
        return 200, {"token": token, "createUrl": f"http://localhost:{PORT}/upload/{token}"}

    def _CreateDataset(self, request):  # noqa: N802
        ref = f"{request['ownerSlug']}/{slugify(request['title'])}"
        self.datasets[ref] = "READY"
        self.settings.append(request)
        return 200, {"ref": ref, "url": f"https://kaggle.example/datasets/{ref}", "status": "ok"}

    def _CreateDatasetVersion(self, request):  # noqa: N802
        ref = f"{request['ownerSlug']}/{request['datasetSlug']}"
        if ref not in self.datasets:
            return 404, {"code": 404, "message": "Not found"}
        self.settings.append(request)
        return 200, {"ref": ref, "url": f"https://kaggle.example/datasets/{ref}", "status": "ok"}

    def _UpdateDatasetMetadata(self, request):  # noqa: N802
        self.settings.append(request)
        return 200, {"errors": []}

    def files_of(self, request):
        """Return the uploaded files of a request, by name."""
        tokens = [each["token"] for each in request.get("files", [])]
        return dict(self.blobs[token] for token in tokens)


ACCEPTED = {
    f"Basic {base64.b64encode(f'{USER}:{KEY}'.encode()).decode()}",
    f"Bearer {TOKEN}",
}


def handler(server):  # noqa: C901  a class with one method for each kind of request
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            name = self.path.rpartition("/")[2]
            with server.lock:
                server.asked.append(name)
                faults = server.faults[name]
                fault = faults.popleft() if faults else None
                if fault == DROP:
                    return self.dropped()
                if isinstance(fault, int):
                    return self.answered(fault, {"code": fault, "message": "a fault that passes"})
                signs_in = name == "IntrospectToken"
                if not signs_in and self.headers.get("Authorization") not in ACCEPTED:
                    return self.answered(401, {"code": 401, "message": "Unauthenticated"})
                status, content = server.answer(name, json.loads(body or b"{}"))
            if fault == LOSE:
                return self.dropped()
            if isinstance(fault, float):
                time.sleep(fault)
            return self.answered(status, content)

        def do_GET(self):
            with server.lock:
                server.asked.append("file")
                faults = server.faults["file"]
                fault = faults.popleft() if faults else None
                _, _, slug, name = self.path.split("/", 3)
                content = server.kernels[slug].files[name]
            if fault == DROP:
                return self.dropped()
            if isinstance(fault, int):
                return self.answered(fault, {})
            return self.answered(200, content)

        def do_PUT(self):
            token = re.sub(".*/", "", self.path)
            server.blobs[token][1] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return self.answered(200, {})

        def dropped(self):
            self.close_connection = True
            self.connection.close()

        def answered(self, status, content):
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    return Handler


class _Quiet(ThreadingHTTPServer):
    allow_reuse_address = True
    allow_reuse_port = False  # newer Pythons let two servers share a port
    daemon_threads = True

    def __init__(self, *arguments):
        self.errors = []
        super().__init__(*arguments)

    def handle_error(self, *_):
        """Keep errors, except of clients that were killed and connections that were dropped."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError | ValueError):
            self.errors.append(repr(error))


@contextmanager
def serving():
    """Yield a running stand-in; other processes that want one wait."""
    server = Server()
    listening = _listening(handler(server))
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
    assert listening.errors == []


def _listening(answers):
    """Return a server on the port, as soon as no other process listens there."""
    end_s = time.monotonic() + 300.0
    while True:
        try:
            return _Quiet(("127.0.0.1", PORT), answers)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end_s:
                raise
            time.sleep(0.05)


def environment(home):
    """Return the variables with which Kaggle's client talks to the stand-in as its user."""
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "KAGGLE_API_ENVIRONMENT": "TEST",
        "KAGGLE_USERNAME": USER,
        "KAGGLE_KEY": KEY,
        "NO_PROXY": "localhost,127.0.0.1",
    }


OTHERS = ("KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR", "KAGGLE_KERNEL_RUN_TYPE")
"""Variables that the machine may have, and that would change whom the client talks as."""


def network(word="weights"):
    """Return the files of a kernel that trains a network, with their checksums."""
    files = {"network.safetensors": word.encode() * 1000, "network.json": b'{"format": 1}\n'}
    listed = "".join(f"{hashlib.sha256(v).hexdigest()}  {n}\n" for n, v in files.items())
    return files | {"network.sha256": listed.encode()}
