"""Runs of kernels against a stand-in of Kaggle's server: slow, failing, cancelled, flapping."""

from __future__ import annotations

import importlib.util
import threading

import pytest
from support import kaggle_server
from support.kaggle_server import DROP, LOSE, network

from lunarsite.engine.errors import CancelledError, InputError
from lunarsite.engine.training.kaggle import client as kaggle
from lunarsite.engine.training.kaggle import outputs, registry, runs

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("kaggle") is None, reason="the group kaggle is not installed"
)

SEEDS = [registry.KERNELS[f"surface_seed_{seed}"] for seed in registry.SURFACE_SEEDS]
ONE, TWO, THREE = SEEDS[:3]
STATUS = "GetKernelSessionStatus"


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in kaggle_server.OTHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in kaggle_server.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    with kaggle_server.serving() as running:
        yield running


@pytest.fixture
def said():
    return []


@pytest.fixture
def runner(server, tmp_path, said):  # noqa: ARG001  it must be there first
    cancelled = threading.Event()
    return runs.Runner(
        client=kaggle.Client(cancelled, first_s=0.001),
        folder=tmp_path / "trained",
        say=said.append,
        cancelled=cancelled,
        interval_s=0.01,
    )


def files_in(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_a_kernel_is_pushed_waited_for_and_pulled(server, runner, said):
    server.plan(ONE.slug, "QUEUED", "RUNNING", "RUNNING", "COMPLETE", files=network())
    (done,) = runner.run([ONE], push=True, pull=True)
    assert (done.state, done.problem, done.log) == ("complete", "", [])
    assert done.files == runner.folder / "surface_seed_1"
    assert files_in(done.files) == network()
    assert (runner.folder / "surface_seed_1.log").read_text() == "ready\n"
    assert said[0] == "surface_seed_1: pushed as version 1"
    assert said[-1] == "0 min: surface_seed_1 complete"
    assert server.asked.count(STATUS) == 6  # before the push twice


def test_several_run_at_once(server, runner):
    for spec in SEEDS:
        server.plan(spec.slug, "RUNNING", "RUNNING", "COMPLETE", files=network(spec.name))
    done = runner.run(SEEDS, push=True, pull=True)
    assert [run.state for run in done] == ["complete"] * 5
    assert server.pushed() == [spec.slug for spec in SEEDS]
    for spec in SEEDS:
        assert files_in(runner.folder / spec.output) == network(spec.name)


def test_more_kernels_than_the_account_may_run_wait_their_turn(server, runner):
    server.sessions = 2
    for spec in SEEDS:
        server.plan(spec.slug, "RUNNING", "RUNNING", "COMPLETE", files=network())
    done = runner.run(SEEDS, push=True, pull=True)
    assert [run.state for run in done] == ["complete"] * 5
    assert sorted(server.pushed()) == sorted(spec.slug for spec in SEEDS)


def test_of_a_failed_kernel_the_last_lines_of_the_log_are_kept(server, runner):
    log = "".join(f"line {number}\n" for number in range(100))
    server.plan(ONE.slug, "RUNNING", "ERROR", log=log, message="It ran out of memory")
    (done,) = runner.run([ONE], push=True, pull=True)
    assert done.state == "error"
    assert done.log == ["It ran out of memory", *(f"line {number}" for number in range(80, 100))]
    assert done.files is None
    assert not (runner.folder / ONE.output).exists()
    assert (runner.folder / "surface_seed_1.log").read_text() == log


@pytest.mark.parametrize("state", ["CANCEL_ACKNOWLEDGED", "cancelAcknowledged", "cancelled"])
def test_a_cancelled_kernel_ends_the_wait(server, runner, state):
    server.plan(ONE.slug, "RUNNING", "CANCEL_REQUESTED", state)
    (done,) = runner.run([ONE], push=True, pull=True)
    assert done.state == state.lower().replace("_", "")
    assert not done.problem


def test_a_flapping_server_changes_nothing(server, runner):
    server.plan(ONE.slug, "QUEUED", "RUNNING", "COMPLETE", files=network())
    server.faults[STATUS].extend([503, DROP, 502, 503, DROP])
    server.faults["ListKernelSessionOutput"].extend([DROP, 503])
    server.faults["file"].extend([DROP, 503])
    server.faults["GetDatasetStatus"].extend([503])
    (done,) = runner.run([ONE], push=True, pull=True)
    assert files_in(done.files) == network()
    assert server.pushed() == [ONE.slug]


def test_a_long_silence_is_waited_out(server, runner, said):
    server.plan(ONE.slug, "RUNNING", "COMPLETE", files=network())
    server.faults[STATUS].extend([None, None, None, *[503] * 20])
    (done,) = runner.run([ONE], push=True, pull=True)
    assert done.state == "complete"
    assert any("Kaggle does not answer" in line and line.endswith("; waiting") for line in said)


def test_an_hour_of_silence_ends_the_wait(server, runner, monkeypatch):
    monkeypatch.setattr(runs, "_PATIENCE_S", 0.0)
    server.faults[STATUS].extend([503] * 20)
    with pytest.raises(kaggle.UnreachableError, match="Check the network"):
        runner.run([ONE], push=False, pull=False)


@pytest.mark.parametrize("fault", [LOSE, DROP, 503])
def test_a_push_without_an_answer_starts_the_kernel_once(server, runner, fault):
    server.plan(ONE.slug, "QUEUED", "RUNNING", "RUNNING", "COMPLETE", files=network())
    server.faults["SaveKernel"].append(fault)
    (done,) = runner.run([ONE], push=True, pull=True)
    assert done.state == "complete"
    assert server.pushed() == [ONE.slug]


def test_a_single_push_without_an_answer_is_found_to_have_started(server, runner, said):
    server.plan(ONE.slug, "RUNNING")
    server.faults["SaveKernel"].append(LOSE)
    assert runner.push(ONE) == 0
    assert said == ["surface_seed_1: pushed"]
    server.plan(TWO.slug, "RUNNING")
    server.faults["SaveKernel"].append(DROP)
    with pytest.raises(kaggle.UnreachableError):
        runner.push(TWO)
    assert server.pushed() == [ONE.slug]


def test_what_runs_is_not_pushed_and_what_is_complete_is_pulled(server, runner):
    running = server.plan(ONE.slug, "RUNNING", "RUNNING", "COMPLETE", files=network("one"))
    complete = server.plan(TWO.slug, "COMPLETE", files=network("two"))
    for kernel in (running, complete):
        kernel.versions, kernel.left = 1, kernel.left.__class__(kernel.states)
    done = runner.run([ONE, TWO], push=True, pull=True)
    assert [run.state for run in done] == ["complete", "complete"]
    assert server.pushed() == []
    assert files_in(runner.folder / TWO.output) == network("two")


def test_again_pushes_what_has_ended_and_not_what_runs(server, runner):
    for spec, states in ((ONE, ["COMPLETE"]), (TWO, ["RUNNING", "RUNNING", "COMPLETE"])):
        kernel = server.plan(spec.slug, *states, files=network())
        kernel.versions, kernel.left = 1, kernel.left.__class__(kernel.states)
    runner.run([ONE, TWO], push=True, pull=True, again=True)
    assert server.pushed() == [ONE.slug]


def test_an_old_end_is_not_taken_for_that_of_the_new_version(server, runner):
    kernel = server.plan(ONE.slug, "RUNNING", "COMPLETE", files=network("new"))
    kernel.versions, kernel.left = 1, kernel.left.__class__(["COMPLETE"])
    kernel.lag = 3
    (done,) = runner.run([ONE], push=True, pull=True, again=True)
    assert (done.state, done.version) == ("complete", 2)
    assert list(kernel.left) == ["COMPLETE"]  # its own states were looked at
    assert files_in(done.files) == network("new")


def test_waiting_pushes_nothing(server, runner):
    server.plan(ONE.slug)
    (done,) = runner.run([ONE], push=False, pull=False)
    assert done.problem == "it is not on Kaggle"
    assert server.pushed() == []


def test_a_kernel_waits_for_the_output_that_it_attaches(server, runner):
    first, second = registry.KERNELS["surface_v1_resnet34"], registry.KERNELS["surface_mc_dropout"]
    server.plan(first.slug, "RUNNING", "RUNNING", "COMPLETE", files=network())
    server.plan(second.slug, "RUNNING", "COMPLETE", files=network())
    done = runner.run([second, first], push=True, pull=True)
    assert [run.state for run in done] == ["complete", "complete"]
    assert server.pushed() == [first.slug, second.slug]
    assert server.pushes[1]["kernelDataSources"] == [f"{kaggle_server.USER}/{first.slug}"]


def test_a_kernel_whose_source_failed_is_not_pushed(server, runner):
    first, second = registry.KERNELS["surface_v1_resnet34"], registry.KERNELS["surface_mc_dropout"]
    server.plan(first.slug, "ERROR")
    done = runner.run([first, second], push=True, pull=True)
    assert done[1].problem == "it attaches the output of surface_v1_resnet34, whose state is error"
    assert server.pushed() == [first.slug]
    (alone,) = runner.run([second], push=True, pull=True)
    assert alone.problem == done[1].problem


def test_a_dataset_that_is_not_on_kaggle_is_named_before_the_push(server, runner):
    server.plan(ONE.slug)
    server.datasets.clear()
    (done,) = runner.run([ONE], push=True, pull=True)
    assert done.problem == (
        "The kernel surface_seed_1 attaches the dataset lunarsite-engine, which is not on Kaggle. "
        "Push it first: lunarsite kaggle dataset push engine."
    )
    server.datasets[f"{kaggle_server.USER}/lunarsite-engine"] = "BLOBS_RECEIVED"
    with pytest.raises(kaggle.KaggleError, match="still prepares the dataset lunarsite-engine"):
        runner.push(ONE)
    assert server.pushed() == []


def test_a_kernel_that_runs_is_not_pushed(server, runner):
    server.plan(ONE.slug, "RUNNING")
    runner.push(ONE)
    with pytest.raises(
        kaggle.KaggleError, match="The kernel surface_seed_1 runs on Kaggle already"
    ):
        runner.push(ONE)
    assert server.pushed() == [ONE.slug]


def test_a_stopped_wait_says_how_to_go_on(server, runner):
    server.plan(ONE.slug, held=True)
    runner.cancelled.set()
    with pytest.raises(CancelledError, match="Kernels on Kaggle run on; the same command goes on"):
        runner.run([ONE], push=True, pull=True)


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_damaged_output_is_refused_and_leaves_nothing(server, runner, harm):
    files = network()
    if harm == "missing":
        del files["network.json"]
    else:
        files["network.safetensors"] = b"x" + files["network.safetensors"][1:]
    server.plan(ONE.slug, "COMPLETE", files=files)
    (done,) = runner.run([ONE], push=True, pull=True)
    assert "Run it again: lunarsite kaggle run surface_seed_1 --again" in done.problem
    assert not list(runner.folder.glob("*"))


def test_an_output_that_differs_is_kept_beside_the_new_one(server, runner):
    server.plan(ONE.slug, "COMPLETE", files=network("new"))
    old = runner.folder / ONE.output
    for number in range(2):
        old.mkdir(parents=True)
        (old / "network.json").write_text(f"mine {number}")
        server.kernels[ONE.slug].files = network(f"new {number}")
        runner.run([ONE], push=True, pull=True)
        assert files_in(old) == network(f"new {number}")
        old.rename(runner.folder / f"moved-{number}")
    assert (runner.folder / "surface_seed_1-1" / "network.json").read_text() == "mine 0"
    assert (runner.folder / "surface_seed_1-2" / "network.json").read_text() == "mine 1"


def test_the_same_output_is_not_written_again(server, runner):
    server.plan(ONE.slug, "COMPLETE", files=network())
    (first,) = runner.run([ONE], push=True, pull=True)
    before = (first.files / "network.json").stat().st_ino
    runner.run([ONE], push=True, pull=True)
    assert (first.files / "network.json").stat().st_ino == before
    assert sorted(path.name for path in runner.folder.iterdir()) == [
        "surface_seed_1",
        "surface_seed_1.log",
    ]


def test_only_complete_kernels_are_pulled(server, runner):
    server.plan(ONE.slug, "RUNNING", files=network())
    runner.push(ONE)
    with pytest.raises(kaggle.KaggleError, match="is not complete: its state is running"):
        runner.pull(ONE)
    server.kernels[ONE.slug].left[0] = "COMPLETE"
    assert files_in(runner.pull(ONE).files) == network()


def test_a_list_of_checksums_that_names_no_file_is_refused(tmp_path):
    for name, content in network().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "network.sha256").write_text("0000  other.bin\n")
    with pytest.raises(InputError, match=r"no file .*other\.bin"):
        outputs.verify(ONE, tmp_path)
