"""The command line, run as a process."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from lunarsite.engine.frontends import progress

HERE = Path(__file__).parent
ECHO = [sys.executable, str(HERE / "fake_stage.py")]


def lunarsite(*words, env=None):
    return subprocess.run(
        [*ECHO, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


def test_a_result_is_one_json_document_even_if_a_library_prints(tmp_path):
    done = lunarsite("echo", "--out", tmp_path, "--loud", "--json", "--lon-deg", "-1.5e-3")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["outputs"] == {"note": str(tmp_path / "note.txt")}
    assert result["values"]["lon_deg"] == -1.5e-3
    assert result["warnings"] == ["It is loud"]
    assert "a library prints" in done.stderr
    assert "a C library prints" in done.stderr


def test_nan_and_infinity_are_null(tmp_path):
    result = json.loads(lunarsite("echo", "--out", tmp_path, "--json").stdout)
    assert result["nothing"] is None
    assert result["endless"] == [None, {"deep": None}]


def test_without_json_the_output_paths_are_printed(tmp_path):
    done = lunarsite("echo", "--out", tmp_path)
    assert done.returncode == 0
    assert done.stdout == f"note  {tmp_path / 'note.txt'}\n"


def test_every_run_logs_its_device(tmp_path):
    assert "echo on cpu" in lunarsite("echo", "--out", tmp_path, "--device", "cpu").stderr


def test_the_help_of_quiet_describes_where_results_are():
    text = " ".join(lunarsite("echo", "--help").stdout.split())
    assert "No progress, log or summary: results are in the files, and printed with" in text


def test_quiet_prints_nothing(tmp_path):
    done = lunarsite("echo", "--out", tmp_path, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_lists_are_collected_from_one_or_several_options(tmp_path):
    done = lunarsite("echo", "--out", tmp_path, "--layers", "a", "b", "--layers", "c", "--json")
    assert json.loads(done.stdout)["values"]["layers"] == ["a", "b", "c"]


def test_options_of_all_stages_reach_the_context(tmp_path):
    done = lunarsite("echo", "--out", tmp_path, "--threads", "3", "--json")
    assert json.loads(done.stdout)["threads"] == 3


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["echo"], "echo needs --out (Output folder). Add --out VALUE."),
        (["ecko"], "There is no command 'ecko'. The nearest is 'echo'."),
        (["echo", "--owt", "x"], "There is no option of echo '--owt'. The nearest is '--out'."),
        (["echo", "--ou", "x"], "There is no option of echo '--ou'. The nearest is '--out'."),
        (["echo", "--out"], "argument --out: expected one argument"),
        (["echo", "stray", "--out", "x"], "'stray' is not the value of any option"),
        (["echo", "--out", "a.png", "b.png"], "and patterns such as '*.png' in quotes"),
        (["echo", "--out", "x", "--delay-s", "101"], "it must be at least 0 s and at most 100 s"),
        (["echo", "--out", "x", "--delay-s", "much"], "--delay-s: 'much' is not a number"),
        (["echo", "--out", "x", "--steps", "1.5"], "'1.5' is not a whole number"),
        (["echo", "--out", "x", "--steps", "nan"], "'nan' is not finite"),
        (["echo", "--out", "x", "--start", "today"], "Write it as YYYY-MM-DD"),
        (["echo", "--out", "x", "--fail", "always"], "Choose one of: never, input"),
        (["echo", "--out", "x", "--device", "tpu"], "Choose one of: auto, cpu, cuda"),
        (["--json", "echo"], "--json comes before the command"),
    ],
)
def test_invalid_options_print_one_line_and_exit_with_2(words, problem, tmp_path):
    done = subprocess.run(
        [*ECHO, *words], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_a_stage_is_printed_with_its_remedy(tmp_path):
    done = lunarsite("echo", "--out", tmp_path, "--fail", "input", "--quiet")
    assert done.returncode == 2
    assert done.stderr == "lunarsite echo: The layer is upside down. Turn it.\n"
    assert list(tmp_path.iterdir()) == []


def test_errors_are_json_too(tmp_path):
    done = lunarsite("echo", "--out", tmp_path, "--fail", "input", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout) == {
        "error": {
            "type": "InputError",
            "problem": "The layer is upside down",
            "remedy": "Turn it",
        }
    }
    wrong = lunarsite("ecko", "--json")
    assert wrong.returncode == 2
    assert json.loads(wrong.stdout)["error"]["type"] == "ParameterError"


def test_an_internal_error_prints_one_line_and_exits_with_1(tmp_path):
    done = lunarsite("echo", "--out", tmp_path, "--fail", "bug", "--quiet")
    assert done.returncode == 1
    assert "RuntimeError: two and two made five" in done.stderr
    assert "LUNARSITE_DEBUG=1" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_debug_mode_prints_the_traceback(tmp_path):
    debug = {"LUNARSITE_DEBUG": "1"}
    done = lunarsite("echo", "--out", tmp_path, "--fail", "bug", env=debug)
    assert "Traceback" in done.stderr


def test_a_name_that_is_too_long_is_explained(tmp_path):
    command = [Path(sys.executable).with_name("lunarsite")]
    made = [*command, "synthesize", "--out", str(tmp_path / "dem.tif"), "--size-px", "36"]
    subprocess.run(made, check=True, capture_output=True)
    out = tmp_path / ("x" * 300)
    done = subprocess.run(
        [*command, "terrain", "--dem", str(tmp_path / "dem.tif"), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "The name xxxx" in done.stderr
    assert "longer than the file system allows. Give a shorter name." in done.stderr


def test_a_memory_error_has_a_remedy(tmp_path):
    done = lunarsite("echo", "--out", tmp_path, "--fail", "memory")
    assert done.returncode == 2
    assert "Lower --memory-limit-gib" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_and_leaves_no_file(number, tmp_path):
    with subprocess.Popen(
        [*ECHO, "echo", "--out", str(tmp_path), "--delay-s", "30", "--steps", "3000"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        await_file(tmp_path)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "The run was cancelled. No incomplete file was left behind" in stderr
    assert list(tmp_path.iterdir()) == []


def test_a_second_interrupt_stops_an_unresponsive_stage(tmp_path):
    with subprocess.Popen(
        [
            *ECHO,
            "echo",
            "--out",
            tmp_path,
            "--delay-s",
            "60",
            "--steps",
            "1",
            "--fail",
            "unresponsive",
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        await_file(tmp_path)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_progress_is_one_line_a_minute(caplog):
    time_s = [0.0]
    report = progress.Lines("train", clock=lambda: time_s[0])
    with caplog.at_level("INFO", logger="lunarsite"):
        for step in range(400):
            time_s[0] = 0.5 * step
            report(step / 400, f"Step {step}")
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["train 30 %: Step 120", "train 60 %: Step 240", "train 90 %: Step 360"]


def test_a_terminal_shows_a_progress_bar_for_long_work(tmp_path):
    long = in_terminal("echo", "--out", str(tmp_path), "--delay-s", "2", "--steps", "40")
    assert "echo: step" in long
    assert "%" in long
    assert "step" not in in_terminal("echo", "--out", str(tmp_path))
    assert "step" not in in_terminal("echo", "--out", str(tmp_path), "--delay-s", "2", "--quiet")


def test_help_shows_every_parameter_with_unit_range_and_default():
    text = " ".join(lunarsite("echo", "--help").stdout.split())
    assert "--delay-s S Run time, 100 % of it asleep. [0 to 100 s; default 0.0 s]" in text
    assert "--out FOLDER Folder of the note. [required]" in text
    assert "--loud, --no-loud Print as well. [default false]" in text
    assert "--fail {never,input,bug,memory,unresponsive}" in text
    for option in ("--threads", "--memory-limit-gib", "--device", "--json", "--quiet"):
        assert option in text


def test_stages_are_listed_and_declared():
    assert "echo  Echo the parameters." in lunarsite("stages").stdout
    declared = json.loads(lunarsite("stages", "--json").stdout)
    assert [stage["name"] for stage in declared["stages"]] == ["echo"]
    assert declared["common"][0]["name"] == "threads"


def test_device_and_version():
    assert json.loads(lunarsite("device", "--json").stdout)["kind"] in ("cpu", "cuda")
    assert "cores" in lunarsite("device").stdout
    assert lunarsite("--version").stdout.startswith("lunarsite 0.")


def test_without_a_command_the_overview_is_printed():
    done = lunarsite()
    assert done.returncode == 2
    assert "Usage: lunarsite COMMAND" in done.stdout
    assert lunarsite("--help").returncode == 0


def test_a_closed_pipe_is_not_an_internal_error():
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{ECHO[0]}' '{ECHO[1]}' stages --json | true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["stages"], ["stages", "--json"]])
def test_help_and_stages_import_no_heavy_library(words):
    code = (
        "import sys\n"
        "from lunarsite.engine.frontends.cli import main\n"
        f"assert main({words!r}) == 0\n"
        "heavy = {'numpy', 'numba', 'rasterio', 'pandas', 'torch', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=60)


def await_file(folder):
    deadline = time.monotonic() + 20
    while not any(folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def in_terminal(*words):
    """Return what the command writes to stderr if that is a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    with subprocess.Popen([*ECHO, *words], stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        seen = b""
        try:
            while piece := os.read(ours, 65536):
                seen += piece
        except OSError:  # raised by Linux when the other end is closed
            pass
        process.wait(timeout=20)
    os.close(ours)
    return seen.decode()
