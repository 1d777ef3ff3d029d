"""The worker, run as a process and driven through its pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lunarsite.engine.frontends.worker import MAX_LINE_BYTES, RequestError, lines, parse_request

HERE = Path(__file__).parent
MIB = 1024**2


class Client:
    """A client of the protocol, with a worker that has only the fake stage."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "fake_stage.py"), "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.hello = self.receive()

    def raw(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, method, request_id=1, **params):
        self.raw(
            json.dumps({"id": request_id, "method": method, "params": params}).encode() + b"\n"
        )

    def receive(self):
        return json.loads(self.process.stdout.readline(), parse_constant=refuse)

    def answer(self, request_id=1):
        """Return the final reply to a request, and the progress reports before it."""
        seen = []
        while "event" in (reply := self.receive()) or reply["id"] != request_id:
            seen.append(reply)
        return reply, seen

    def alive(self):
        self.send("ping", "alive?")
        return self.answer("alive?")[0]["result"] == {"pong": True}

    def rss_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def worker():
    client = Client()
    yield client
    if client.process.poll() is None:
        client.process.kill()
    for pipe in (client.process.stdin, client.process.stdout, client.process.stderr):
        pipe.close()
    client.process.wait()


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_the_worker_starts_with_version_and_device(worker):
    assert worker.hello["event"] == "hello"
    assert worker.hello["protocol"] == 1
    assert worker.hello["version"].startswith("0.")
    assert worker.hello["device"]["kind"] in ("cpu", "cuda")
    assert worker.hello["pid"] == worker.process.pid


def test_a_stage_reports_progress_and_replies(worker, tmp_path):
    worker.send("echo", "a", out=str(tmp_path), loud=True, threads=3)
    reply, seen = worker.answer("a")
    assert reply["result"]["outputs"] == {"note": str(tmp_path / "note.txt")}
    assert reply["result"]["warnings"] == ["It is loud"]
    assert reply["result"]["threads"] == 3
    assert reply["result"]["nothing"] is None
    assert reply["result"]["endless"] == [None, {"deep": None}]
    assert seen[0] == {"id": "a", "event": "progress", "fraction": 0.0, "message": "step 0"}
    assert seen[-1]["fraction"] == 1.0


def test_progress_is_limited_to_twenty_reports_a_second(worker, tmp_path):
    begin = time.monotonic()
    worker.send("echo", out=str(tmp_path), delay_s=1.0, steps=500)
    _, seen = worker.answer()
    # On a busy machine the stage takes longer: the rate is limited, not the number.
    assert 5 <= len(seen) <= 20 * (time.monotonic() - begin) + 3
    assert seen[0]["fraction"] == 0.0
    assert seen[-1]["message"] == "done"


def test_output_of_libraries_goes_to_the_log(worker, tmp_path):
    worker.send("echo", out=str(tmp_path), loud=True)
    worker.answer()
    worker.process.stdin.close()
    log = worker.process.stderr.read().decode()
    assert "a C library prints" in log
    assert "echo on cpu" in log


def test_the_cache_is_kept_between_requests(worker, tmp_path):
    for count in (1, 2):
        worker.send("echo", count, out=str(tmp_path))
        assert worker.answer(count)[0]["result"]["count"] == count


def test_jobs_run_in_order_and_other_methods_are_answered_at_once(worker, tmp_path):
    worker.send("echo", 1, out=str(tmp_path / "a"), delay_s=1.0)
    worker.send("echo", 2, out=str(tmp_path / "b"))
    worker.send("ping", 3)
    ended = []
    while len(ended) < 3:
        reply = worker.receive()
        if "event" not in reply:
            ended.append(reply["id"])
    assert ended == [3, 1, 2]


def test_declarations(worker):
    worker.send("stages")
    declared = worker.answer()[0]["result"]
    assert [stage["name"] for stage in declared["stages"]] == ["echo"]
    worker.send("describe", stage="echo")
    described = worker.answer()[0]["result"]
    assert described["parameters"] == declared["stages"][0]["parameters"]
    assert described["common"] == declared["common"]
    worker.send("device")
    assert worker.answer()[0]["result"] == worker.hello["device"]


def test_running_and_queued_jobs_are_cancelled(worker, tmp_path):
    worker.send("echo", 1, out=str(tmp_path / "a"), delay_s=30, steps=3000)
    worker.send("echo", 2, out=str(tmp_path / "b"))
    worker.receive()
    worker.send("cancel", "x", id=2)
    worker.send("cancel", "y", id=1)
    assert worker.answer("x")[0]["result"] == {"cancelled": True}
    assert worker.answer(1)[0]["error"]["type"] == "CancelledError"
    assert worker.answer(2)[0]["error"]["type"] == "CancelledError"
    assert list(tmp_path.rglob("*.txt")) == []
    worker.send("cancel", "z", id=1)
    assert worker.answer("z")[0]["result"] == {"cancelled": False}


def test_shutdown_ends_the_worker(worker):
    worker.send("shutdown")
    assert worker.answer()[0]["result"] == {}
    assert worker.process.wait(timeout=2) == 0


def test_the_end_of_stdin_cancels_and_ends_the_worker(worker, tmp_path):
    worker.send("echo", out=str(tmp_path), delay_s=30, steps=3000)
    worker.receive()
    worker.process.stdin.close()
    start = time.monotonic()
    assert worker.process.wait(timeout=5) == 0
    assert time.monotonic() - start < 2
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_stdin_ends_an_unresponsive_stage(worker, tmp_path):
    worker.send("echo", out=str(tmp_path), delay_s=60, steps=1, fail="unresponsive")
    while not list(tmp_path.iterdir()):
        time.sleep(0.02)
    worker.process.stdin.close()
    start = time.monotonic()
    assert worker.process.wait(timeout=5) == 0
    assert time.monotonic() - start < 2.2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_worker(worker, number, tmp_path):
    worker.send("echo", out=str(tmp_path), delay_s=30, steps=3000)
    worker.receive()
    worker.process.send_signal(number)
    assert worker.process.wait(timeout=5) == 0
    assert list(tmp_path.iterdir()) == []


def test_closed_pipes_leave_no_orphan_process(tmp_path):
    client = Client()
    client.send("echo", out=str(tmp_path), delay_s=30, steps=3000)
    client.receive()
    client.process.stdout.close()
    client.process.stdin.close()
    assert client.process.wait(timeout=5) == 0
    client.process.stderr.close()


@pytest.mark.parametrize(
    ("line", "request_id", "problem"),
    [
        (b"\x00\x01rubbish\n", None, "not JSON"),
        (b'\xff\xfe{"id": 1}\n', None, "not UTF-8"),
        (b"[1, 2]\n", None, "is a list, not an object"),
        (b'"ping"\n', None, "is a str, not an object"),
        (b"null\n", None, "is a NoneType, not an object"),
        (b"[" * 100_000 + b"\n", None, "not JSON"),
        (b'{"id": ' + b"9" * 5000 + b"}\n", None, "not JSON"),
        (b'{"method": "ping"}\n', None, "no id"),
        (b'{"id": true, "method": "ping"}\n', None, "no id"),
        (b'{"id": 1.5, "method": "ping"}\n', None, "no id"),
        (b'{"id": {"a": 1}, "method": "ping"}\n', None, "no id"),
        (b'{"id": 7}\n', 7, "has no method"),
        (b'{"id": 7, "method": 3}\n', 7, "has no method"),
        (b'{"id": 7, "method": "ecko"}\n', 7, "There is no method 'ecko'"),
        (b'{"id": 7, "method": "ping", "params": [1]}\n', 7, "are not an object"),
        (b'{"id": 7, "method": "describe"}\n', 7, "needs a stage"),
        (b'{"id": 7, "method": "describe", "params": {"stage": "x"}}\n', 7, "no stage 'x'"),
        (b'{"id": 7, "method": "cancel", "params": {"id": [1]}}\n', 7, "needs the id"),
        (b'{"id": 7, "method": "echo"}\n', 7, "echo needs --out"),
        (b'{"id": 7, "method": "echo", "params": {"out": 3}}\n', 7, "is not a path"),
        (b'{"id": 7, "method": "echo", "params": {"out": "a\\u0000b"}}\n', 7, "is not a path"),
        (b'{"id": 7, "method": "echo", "params": {"out": "\\ud800"}}\n', 7, "is not a path"),
        (
            b'{"id": 7, "method": "echo", "params": {"owt": "x"}}\n',
            7,
            "no parameter of echo called 'owt'",
        ),
        (b'{"id": 7, "method": "echo", "params": {"out": "x", "steps": NaN}}\n', 7, "not finite"),
        (
            b'{"id": 7, "method": "echo", "params": {"out": "x", "delay_s": {}}}\n',
            7,
            "not a number",
        ),
        (
            b'{"id": 7, "method": "echo", "params": {"out": "x", "delay_s": 1'
            + b"0" * 400
            + b"}}\n",
            7,
            "is not a number",
        ),
        (
            b'{"id": 7, "method": "echo", "params": {"out": "x", "loud": "yes"}}\n',
            7,
            "neither true nor false",
        ),
        (
            b'{"id": 7, "method": "echo", "params": {"out": "x", "threads": 0}}\n',
            7,
            "--threads: 0 is out of range",
        ),
    ],
)
def test_an_invalid_request_is_answered_with_an_error(worker, line, request_id, problem):
    worker.raw(line)
    reply = worker.receive()
    assert reply["id"] == request_id
    assert problem in reply["error"]["problem"]
    assert reply["error"]["remedy"]
    assert worker.alive()


def test_the_nearest_method_is_suggested(worker):
    worker.send("ecko")
    assert worker.answer()[0]["error"]["remedy"] == "The nearest is 'echo'"


def test_blank_lines_are_ignored(worker):
    worker.raw(b"\n  \r\n")
    assert worker.alive()


def test_an_incomplete_last_line_is_answered(worker):
    worker.raw(b'{"id": 1, "meth')
    worker.process.stdin.close()
    assert "not JSON" in worker.receive()["error"]["problem"]
    assert worker.process.wait(timeout=5) == 0


def test_a_duplicate_id_is_refused_and_the_first_job_continues(worker, tmp_path):
    worker.send("echo", 1, out=str(tmp_path), delay_s=0.5)
    worker.send("echo", 1, out=str(tmp_path))
    reply, _ = worker.answer(None)
    assert "still pending" in reply["error"]["problem"]
    assert "result" in worker.answer(1)[0]


def test_an_exception_is_an_internal_error_and_the_worker_survives(worker, tmp_path):
    worker.send("echo", out=str(tmp_path), fail="bug")
    error = worker.answer()[0]["error"]
    assert error["type"] == "InternalError"
    assert "RuntimeError: two and two made five" in error["problem"]
    assert "report" in error["remedy"]
    assert list(tmp_path.iterdir()) == []
    assert worker.alive()
    worker.process.stdin.close()
    assert "Traceback" in worker.process.stderr.read().decode()


def test_an_error_of_a_stage_is_sent_with_its_remedy(worker, tmp_path):
    worker.send("echo", out=str(tmp_path), fail="input")
    assert worker.answer()[0]["error"] == {
        "type": "InputError",
        "problem": "The layer is upside down",
        "remedy": "Turn it",
    }


def test_a_line_of_100_mb_is_discarded_in_bounded_memory(worker):
    before = worker.rss_mib()
    for _ in range(100):
        worker.raw(b"x" * MIB)
    worker.raw(b"\n")
    error = worker.answer(None)[0]["error"]
    assert "longer than 16 MiB" in error["problem"]
    assert worker.rss_mib() - before < 3 * MAX_LINE_BYTES / MIB
    assert worker.alive()


def test_lines_of_a_descriptor():
    assert split(b"") == []
    assert split(b"a\nb\n") == [b"a", b"b"]
    assert split(b"\n\nhalf") == [b"", b"", b"half"]


@pytest.mark.parametrize("length", [65_535, 65_536, 65_537, MAX_LINE_BYTES, MAX_LINE_BYTES + 1])
def test_a_line_is_too_long_from_the_first_byte_over_the_limit(length, tmp_path):
    file = tmp_path / "lines"
    file.write_bytes(b"y" * length + b"\nnext\n" + b"z" * length)
    descriptor = os.open(file, os.O_RDONLY)
    found = list(lines(descriptor))
    os.close(descriptor)
    fits = length <= MAX_LINE_BYTES
    assert [None if line is None else len(line) for line in found] == (
        [length, 4, length] if fits else [None, 4, None]
    )


def test_params_are_optional():
    assert parse_request(b'{"id": 1, "method": "ping", "params": null}').params == {}
    with pytest.raises(RequestError, match="Send one object per line"):
        parse_request(b"{")


def split(data):
    ours, theirs = os.pipe()
    os.write(theirs, data)
    os.close(theirs)
    found = list(lines(ours))
    os.close(ours)
    return found
