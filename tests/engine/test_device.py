from __future__ import annotations

import importlib.util
import sys
import types

import pytest

from lunarsite.engine import device
from lunarsite.engine.errors import MissingDependencyError, ParameterError


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.delenv("LUNARSITE_DEVICE", raising=False)
    monkeypatch.setattr(device, "has_gpu_driver", lambda: True)
    device._choose.cache_clear()
    yield
    device._choose.cache_clear()


class Product:
    def __init__(self, total):
        self.total = total

    def __matmul__(self, _other):
        return self

    def sum(self):
        return self

    def item(self):
        return self.total


@pytest.fixture
def torch(monkeypatch):
    """Install a fake torch whose GPU returns a given product or raises an error."""

    def install(total=None, error=None):
        fake = types.ModuleType("torch")
        fake.__version__ = "2.9.9"
        fake.__spec__ = importlib.util.spec_from_loader("torch", loader=None)
        fake.cuda = types.SimpleNamespace(get_device_name=lambda _: "A fine GPU")

        def ones(_shape, device):
            assert device == "cuda"
            if error is not None:
                raise error
            return Product(total)

        fake.ones = ones
        monkeypatch.setitem(sys.modules, "torch", fake)

    return install


def test_a_gpu_with_a_correct_product_is_chosen(torch):
    torch(total=512.0)
    found = device.choose()
    assert (found.kind, found.name, found.torch) == ("cuda", "A fine GPU", "2.9.9")


def test_a_gpu_with_a_wrong_product_is_not_chosen(torch):
    torch(total=511.0)
    found = device.choose()
    assert found.kind == "cpu"
    assert "is wrong" in found.reason


@pytest.mark.parametrize(
    "error", [RuntimeError("no kernel image is available\nmore"), AssertionError("not compiled")]
)
def test_a_failing_gpu_is_not_chosen_and_the_reason_is_reported(torch, error):
    torch(error=error)
    found = device.choose()
    assert found.kind == "cpu"
    assert found.reason == f"no GPU: {str(error).splitlines()[0]}"
    with pytest.raises(MissingDependencyError, match=r"does not work: .* Use --device cpu"):
        device.choose("cuda")


def test_the_cpu_is_chosen_on_request(torch, monkeypatch):
    torch(total=512.0)
    assert device.choose("cpu").kind == "cpu"
    monkeypatch.setenv("LUNARSITE_DEVICE", "cpu")
    assert device.choose().kind == "cpu"
    assert device.choose("cuda").kind == "cuda"


def test_without_torch_the_cpu_is_chosen(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    found = device.choose()
    assert (found.kind, found.torch) == ("cpu", None)
    assert found.cores >= 1
    with pytest.raises(MissingDependencyError, match="torch is not installed"):
        device.choose("cuda")


def test_without_a_driver_torch_is_not_imported(monkeypatch):
    monkeypatch.setattr(device, "has_gpu_driver", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imports {name}"))
    found = device.choose()
    assert (found.kind, found.reason) == ("cpu", "no GPU: no driver is installed")


def test_a_driver_is_a_library_that_loads(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(device, "_KERNEL_INTERFACES", ())
    monkeypatch.setattr(device, "_DRIVERS", ("libc.so.6", "msvcrt.dll"))
    assert device.has_gpu_driver()
    monkeypatch.setattr(device, "_DRIVERS", ("libnothing.so.1",))
    assert not device.has_gpu_driver()
    monkeypatch.setattr(device, "_KERNEL_INTERFACES", (__file__,))
    assert device.has_gpu_driver()


def test_an_unknown_device_is_refused(monkeypatch):
    with pytest.raises(ParameterError, match=r"There is no device 'tpu'. Choose auto, cpu or cuda"):
        device.choose("tpu")
    monkeypatch.setenv("LUNARSITE_DEVICE", "abacus")
    with pytest.raises(ParameterError, match="'abacus'"):
        device.choose()


def test_a_device_is_json():
    assert set(device.choose("cpu").as_dict()) == {"kind", "name", "reason", "cores", "torch"}
