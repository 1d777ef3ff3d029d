from __future__ import annotations

import importlib.util
import sys
import types

import pytest

from lunarsite.engine import device
from lunarsite.engine.context import Context
from lunarsite.engine.errors import MissingDependencyError, ParameterError
from lunarsite.engine.training import dependencies


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

    def __getitem__(self, _index):
        return self


@pytest.fixture
def torch(monkeypatch):
    """Install a fake torch whose GPU returns a given product or raises an error."""

    def install(total=None, error=None, convolved=20_736.0):
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
        functional = types.SimpleNamespace(conv2d=lambda *_: Product(convolved))
        fake.nn = types.SimpleNamespace(functional=functional)
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
    assert "a matrix product on the GPU is wrong" in found.reason


def test_a_gpu_with_a_wrong_convolution_is_not_chosen(torch):
    torch(total=512.0, convolved=20_735.0)
    found = device.choose()
    assert found.kind == "cpu"
    assert "a convolution on the GPU is wrong" in found.reason


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


def broken_torch(tmp_path, monkeypatch):
    """Put a torch on the path whose libraries are missing."""
    (tmp_path / "torch").mkdir()
    text = "raise OSError('libcudart.so.13: cannot open shared object file\\nmore')\n"
    (tmp_path / "torch" / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)


def test_a_torch_that_cannot_be_imported_is_one_warning(tmp_path, monkeypatch):
    broken_torch(tmp_path, monkeypatch)
    context = Context()
    for _ in range(2):
        assert device.for_networks(context).kind == "cpu"
    assert len(context.warnings) == 1
    assert "torch cannot be imported (OSError: libcudart.so.13: cannot open" in context.warnings[0]
    assert "make setup GROUPS=ml" in context.warnings[0]
    with pytest.raises(MissingDependencyError, match="torch cannot be imported") as caught:
        device.choose("cuda")
    assert "--device cpu" in caught.value.remedy
    with pytest.raises(MissingDependencyError, match="Training needs torch: torch cannot be impor"):
        dependencies.needs_torch("Training")


def test_the_cpu_on_request_needs_no_torch(tmp_path, monkeypatch):
    broken_torch(tmp_path, monkeypatch)
    context = Context(device="cpu")
    assert device.for_networks(context).reason == "as requested"
    assert context.warnings == []
    assert "torch" not in sys.modules


def test_little_work_is_done_on_the_cpu_without_importing_torch(torch, monkeypatch):
    torch(total=512.0)
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imports {name}"))
    context = Context()
    found = device.for_networks(context, cpu_s=2.0)
    assert (found.kind, found.reason) == ("cpu", "faster here: the networks take about 2.0 s")
    monkeypatch.undo()


def test_much_work_is_done_on_the_gpu_and_little_if_it_is_requested(torch):
    torch(total=512.0)
    assert device.for_networks(Context(), cpu_s=60.0).kind == "cuda"
    assert device.for_networks(Context(device="cuda"), cpu_s=2.0).kind == "cuda"


def test_what_is_known_before_the_test_imports_no_torch(torch, monkeypatch):
    torch(total=512.0)
    monkeypatch.setattr(device, "_torch_version", lambda: "2.9.9")
    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda n: pytest.fail("torch") if n == "torch" else real(n)
    )
    found = device.untested()
    assert (found.kind, found.reason) == ("cpu", "a GPU is tested when a network first runs")


def test_a_result_says_on_what_networks_ran():
    context = Context()
    assert context.devices() == "cpu"
    device.for_networks(context)
    for kind in ("cuda", "cuda", "cpu", "cuda"):
        context.part(0.0, 1.0).ran_on(kind)
    assert context.devices() == "cuda, then cpu"
    assert context.notes["device"]["ran_on"] == ["cuda", "cpu"]
    assert {"kind", "name", "reason"} <= set(context.notes["device"])


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
    assert set(device.choose("cpu").as_dict()) == {
        "kind",
        "name",
        "reason",
        "cores",
        "torch",
        "warning",
    }
