from __future__ import annotations

import pytest

from lunarsite.engine.errors import InputError
from lunarsite.engine.training import state_files

torch = pytest.importorskip("torch", reason="of the ml group")
safetensors_torch = pytest.importorskip("safetensors.torch")
from lunarsite.engine.training import training_state  # noqa: E402  imports torch

IDENTITY = {"recipe": '{"name": "a \\"sha256\\":\\"x\\""}', "seed": "3"}


@pytest.fixture
def file(tmp_path):
    weights = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(4)}
    average, best = ({name: value + k for name, value in weights.items()} for k in (1, 2))
    moments = {7: {"exp_avg": torch.ones(3)}}
    progress = training_state.Progress(step=12, spent_s=3.5, best=0.25, best_step=10)
    state = training_state.TrainingState(weights, average, best, moments, progress)
    path = tmp_path / "net.state.safetensors"
    training_state.write(path, state, IDENTITY)
    return path


def read(path):
    return training_state.read(path, IDENTITY, "cpu")


def test_a_state_survives_its_file(file):
    found = read(file)
    assert torch.equal(found.model["w"], torch.arange(6.0).reshape(2, 3))
    assert torch.equal(found.best["n"], torch.tensor(6))
    assert torch.equal(found.moments[7]["exp_avg"], torch.ones(3))
    assert found.progress.step == 12
    found.model["w"][0, 0] = 9.0  # training goes on with it
    assert safetensors_torch.load_file(file)["model.n"] == 4


def test_a_state_with_any_byte_changed_is_refused_before_it_is_parsed(file, monkeypatch):
    def parsed(_content):
        raise AssertionError

    monkeypatch.setattr(training_state, "load", parsed)
    whole = file.read_bytes()
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError, match="damaged") as caught:
            read(file)
        assert "start training from the beginning" in caught.value.remedy
    for length in (0, 7, 8, 100, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            read(file)
    file.write_bytes(whole + b"\0")
    with pytest.raises(InputError, match="checksum differs"):
        read(file)


def test_a_state_without_a_checksum_is_refused(file):
    safetensors_torch.save_file({"w": torch.ones(3)}, file, metadata={"progress": "{}"})
    with pytest.raises(InputError, match="has no checksum: it is damaged, or of an earlier"):
        read(file)


def test_a_cancelled_training_tells_the_step_of_its_state_unless_it_is_damaged(file):
    checkpoint = file.with_name("net.safetensors")
    assert "resumes at step 12" in str(state_files.cancelled(checkpoint))
    file.write_bytes(file.read_bytes()[:-1])
    assert "is damaged" in str(state_files.cancelled(checkpoint))
    file.unlink()
    assert "Nothing was saved yet" in str(state_files.cancelled(checkpoint))


def test_a_state_is_of_one_training(file):
    with pytest.raises(InputError, match="of another training: its seed differs"):
        training_state.read(file, IDENTITY | {"seed": "4"}, "cpu")
