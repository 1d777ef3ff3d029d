"""``lunarsite kaggle``, against a stand-in of Kaggle's server."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from support import kaggle_server
from support.kaggle_server import KEY, USER, network

from lunarsite.engine.frontends import cli, kaggle_command
from lunarsite.engine.training.kaggle import registry

LUNARSITE = [
    sys.executable, "-c",
    "import sys; from lunarsite.engine.frontends import cli; sys.exit(cli.main())",
]  # fmt: skip
SEEDS = [f"surface_seed_{seed}" for seed in registry.SURFACE_SEEDS]
SLUGS = [registry.KERNELS[name].slug for name in SEEDS]

with_client = pytest.mark.skipif(
    importlib.util.find_spec("kaggle") is None, reason="the group kaggle is not installed"
)


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in kaggle_server.OTHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in kaggle_server.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with kaggle_server.serving() as running:
        yield running


def rows(text):
    """Return the lines of a table by their first word."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}


def until(holds, what, seconds=120.0):
    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s, what
        time.sleep(0.01)


@with_client
def test_a_week_in_which_the_terminal_is_killed_twice(server, tmp_path):
    """Five seeds, one failing, one cancelled: each is pushed once, and what came of it is here."""
    plans = dict.fromkeys(SLUGS, ("QUEUED", "RUNNING", "COMPLETE"))
    plans[SLUGS[1]] = ("QUEUED", "RUNNING", "ERROR")
    plans[SLUGS[2]] = ("RUNNING", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED")
    for slug, states in plans.items():
        server.plan(slug, *states, files=network(slug), log=f"log of {slug}\n")
    server.kernels[SLUGS[1]].message = "Your notebook tried to allocate more memory"
    server.sessions = 2
    first, third, last = (server.kernels[SLUGS[number]] for number in (0, 2, 4))
    first.held = last.held = True
    server.faults["GetKernelSessionStatus"].extend([503, kaggle_server.DROP])
    server.faults["SaveKernel"].extend([kaggle_server.LOSE, None, 503])
    command = [*LUNARSITE, "kaggle", "run", *SEEDS, "--folder", "week", "--interval-s", "0.05"]

    def started():
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )

    def killed(when, what):
        process = started()
        try:
            until(when, what)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL

    killed(lambda: len(server.pushes) == 2, "two kernels were pushed")
    first.held = False
    killed(lambda: third.versions and last.versions, "the last kernel was pushed")
    last.held = False
    process = started()
    try:
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()

    assert process.returncode == kaggle_command.FAILED == 3, err
    assert sorted(server.pushed()) == sorted(SLUGS)
    told = rows(out)
    assert [told[name][0] for name in SEEDS] == [
        "complete", "error", "cancelacknowledged", "complete", "complete",
    ]  # fmt: skip
    assert told["surface_seed_1"][-1] == os.path.join("week", "surface_seed_1")  # noqa: PTH118  as printed
    assert "lunarsite kaggle run surface_seed_2 --again" in out
    assert "Your notebook tried to allocate more memory" in err
    assert f"log of {SLUGS[1]}" in err
    week = tmp_path / "week"
    here = {p.relative_to(week).as_posix() for p in week.rglob("*") if p.is_file()}
    wanted = {f"{SEEDS[number]}/{name}" for number in (0, 3, 4) for name in network()}
    assert {name for name in here if ".scratch" not in name} == wanted | {f"{n}.log" for n in SEEDS}
    for number in (0, 3, 4):
        found = {p.name: p.read_bytes() for p in (week / SEEDS[number]).iterdir()}
        assert found == network(SLUGS[number])
    assert KEY not in out + err


@with_client
def test_all_complete_is_success_and_prints_minutes(server, tmp_path, capsys):
    for slug in SLUGS[:2]:
        server.plan(slug, "RUNNING", "COMPLETE", files=network())
    assert cli.main(["kaggle", "run", *SEEDS[:2], "--interval-s", "0.01"]) == 0
    out, err = capsys.readouterr()
    assert "0 min: surface_seed_1 running, surface_seed_2 running" in err
    assert rows(out)["surface_seed_2"][0] == "complete"
    assert (tmp_path / "trained" / "surface_seed_2" / "network.safetensors").is_file()


@with_client
def test_a_cancelled_kernel_has_an_exit_code_of_its_own(server, capsys):
    server.plan(SLUGS[0], "CANCEL_ACKNOWLEDGED")
    assert cli.main(["kaggle", "run", SEEDS[0], "--interval-s", "0.01"]) == 4
    server.plan(SLUGS[1], "ERROR")
    assert cli.main(["kaggle", "run", *SEEDS[:2], "--interval-s", "0.01"]) == 3
    assert "surface_seed_1" in capsys.readouterr().out


@with_client
def test_push_status_wait_and_pull_one_by_one(server, tmp_path, capsys):
    server.plan(SLUGS[0], "RUNNING", "RUNNING", "COMPLETE", files=network())
    assert cli.main(["kaggle", "status", SEEDS[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kernels"][0]["state"] == "absent"
    assert cli.main(["kaggle", "push", SEEDS[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pushed": {"surface_seed_1": 1}}
    assert cli.main(["kaggle", "pull", SEEDS[0]]) == 2
    assert "is not complete: its state is running" in capsys.readouterr().err
    assert cli.main(["kaggle", "wait", SEEDS[0], "--interval-s", "0.01"]) == 0
    assert not (tmp_path / "trained").exists()
    assert cli.main(["kaggle", "pull", SEEDS[0], "--folder", "mine"]) == 0
    assert (tmp_path / "mine" / "surface_seed_1" / "network.json").is_file()
    assert len(server.pushes) == 1


@with_client
def test_status_without_names_is_that_of_all_kernels(server, capsys):
    server.plan(SLUGS[3], "RUNNING")
    cli.main(["kaggle", "push", SEEDS[3], "--quiet"])
    assert cli.main(["kaggle", "status"]) == 0
    told = rows(capsys.readouterr().out)
    assert set(told) == {"kernel", *registry.KERNELS}
    assert (told["surface_seed_4"][0], told["orbital"][0]) == ("running", "absent")


@with_client
def test_two_runs_in_one_folder_are_refused(server, tmp_path):
    server.plan(SLUGS[0], held=True)
    words = [*LUNARSITE, "kaggle", "run", SEEDS[0], "--interval-s", "0.05"]
    first = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        until(lambda: server.pushes, "it was pushed")
        second = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert second.returncode == 2
        assert "Another run works in" in second.stderr
    finally:
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=30)
    assert first.returncode == cli.CANCELLED
    assert b"Kernels on Kaggle run on; the same command goes on where it stopped" in err


@with_client
def test_a_dataset_of_the_engine_is_pushed_and_gets_new_versions(server, tmp_path, capsys):
    server.datasets.clear()
    assert cli.main(["kaggle", "dataset", "version", "engine"]) == 2
    assert "Kaggle refuses the new version: HTTP 404" in capsys.readouterr().err
    assert cli.main(["kaggle", "dataset", "push", "engine"]) == 0
    request = server.settings[-1]
    assert (request["title"], request["slug"]) == ("LunarSite engine", "lunarsite-engine")
    assert (request["isPrivate"], request["licenseName"]) == (True, "GPL-3.0")
    ((name, content),) = server.files_of(request).items()
    (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / name) as archive:
        assert "lunarsite/engine/training/kaggle/registry.py" in archive.namelist()
    assert cli.main(["kaggle", "dataset", "push", "engine"]) == 2
    assert "already in use" in capsys.readouterr().err
    assert cli.main(["kaggle", "dataset", "version", "engine", "--notes", "Faster"]) == 0
    assert server.settings[-1]["body"]["versionNotes"] == "Faster"


@with_client
def test_the_metadata_of_a_dataset_are_updated_and_it_stays_private(server):
    assert cli.main(["kaggle", "dataset", "metadata", "weights"]) == 0
    settings = server.settings[-1]["settings"]
    assert (settings["title"], settings["isPrivate"]) == ("LunarSite weights", True)
    assert cli.main(["kaggle", "dataset", "metadata", "weights", "--public"]) == 0
    assert not server.settings[-1]["settings"].get("isPrivate")


@with_client
def test_the_users_own_files_are_a_dataset_too(server, tmp_path, capsys):
    assert cli.main(["kaggle", "dataset", "push", "crater-ground"]) == 2
    assert "Name the folder with them: --source FOLDER" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dem.tif").write_bytes(b"II")
    words = ["kaggle", "dataset", "push", "crater-ground", "--source", "mine"]
    assert cli.main(words) == 2
    assert "mine has no craters.csv" in capsys.readouterr().err
    (tmp_path / "mine" / "craters.csv").write_bytes(b"lon_deg")
    (tmp_path / "mine" / "private.txt").write_bytes(b"no")
    assert cli.main(words) == 0
    assert server.files_of(server.settings[-1]) == {"dem.tif": b"II", "craters.csv": b"lon_deg"}
    assert cli.main(["kaggle", "dataset", "push", "engine", "--source", "mine"]) == 2


def test_the_list_is_fast_and_imports_nothing_heavy(tmp_path):
    heavy = "torch numpy rasterio kaggle requests yaml"
    script = (
        "import sys; from lunarsite.engine.frontends import cli;"
        "code = cli.main(['kaggle', 'list']);"
        f"sys.exit(code or ' '.join(n for n in '{heavy}'.split() if n in sys.modules))"
    )
    begin_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stderr.strip() == ""
    assert rows(done.stdout)["surface_seed_1"][0] == "unet-light"
    # 0.2 s on an idle core; other tests run beside this one.
    assert time.monotonic() - begin_s < 5.0


def test_a_dry_run_writes_everything_without_an_account(tmp_path, monkeypatch, capsys):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", *kaggle_server.OTHERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["kaggle", "push", *SEEDS, "--dry-run", "--owner", USER]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 10
    found = json.loads((tmp_path / "kernels" / SLUGS[0] / "kernel-metadata.json").read_text())
    assert found["id"] == f"{USER}/{SLUGS[0]}"
    assert (tmp_path / "kernels" / SLUGS[0] / found["code_file"]).is_file()
    for words in (["push", "weights"], ["version", "engine"], ["metadata", "engine"]):
        assert cli.main(["kaggle", "dataset", *words, "--dry-run"]) == 0
    names = {path.name for path in (tmp_path / "datasets" / "lunarsite-weights").iterdir()}
    assert {"SHA256SUMS", "craters.safetensors", "dataset-metadata.json"} <= names
    assert list((tmp_path / "datasets" / "lunarsite-engine").glob("*.whl"))


@with_client
def test_missing_credentials_are_one_sentence(tmp_path, monkeypatch, capsys):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", *kaggle_server.OTHERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert cli.main(["kaggle", "status"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lunarsite kaggle: There are no credentials of a Kaggle account. Make a")
    assert err.count("\n") == 1


def test_without_the_client_its_group_is_named(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert cli.main(["kaggle", "status"]) == 2
    assert "Install the group kaggle: make setup GROUPS=kaggle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["rum", "x"], "There is no command kaggle 'rum'. The nearest is 'run'"),
        (["run"], "the following arguments are required: NAME"),
        (["run", "surface_seed_9"], "There is no kernel 'surface_seed_9'"),
        (
            ["run", "orbital", "--agian"],
            "no option of kaggle run '--agian'. The nearest is '--again'",
        ),
        (["dataset", "push", "x"], "There is no dataset 'x'. Choose one of: crater-ground, engine"),
        (["dataset", "list", "x"], "'x' is not the value of any option"),
    ],
)
def test_mistakes_are_one_line(words, problem, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["kaggle", *words, *(["--dry-run"] if "push" in words else [])]) == 2
    err = capsys.readouterr().err
    assert problem in err
    assert err.count("\n") == 1


@with_client
@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "3601"])
def test_the_interval_has_limits(server, text, capsys):  # noqa: ARG001  it must be there first
    assert cli.main(["kaggle", "wait", "orbital", f"--interval-s={text}"]) == 2
    assert "Give seconds, above 0 and at most 3600" in capsys.readouterr().err


def test_the_verbs_are_listed_with_their_help(capsys):
    assert cli.main(["kaggle", "--help"]) == 0
    assert set(rows(capsys.readouterr().out)) >= {"list", "push", "wait", "pull", "run", "dataset"}
    assert cli.main(["kaggle"]) == 2
    capsys.readouterr()
    assert cli.main(["kaggle", "run", "--help"]) == 0
    assert "usage: lunarsite kaggle run NAME... [options]" in capsys.readouterr().out
    assert cli.main(["--help"]) == 0
    assert {"kaggle", "train", "models", "terrain"} <= set(rows(capsys.readouterr().out))
