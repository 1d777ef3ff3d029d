"""Kaggle's own client against a stand-in of its server: faults, states, credentials."""

from __future__ import annotations

import importlib.util
import logging
import threading

import pytest
from support import kaggle_server
from support.kaggle_server import DROP, KEY, TOKEN, USER

from lunarsite.engine.errors import CancelledError
from lunarsite.engine.training.kaggle import client as kaggle
from lunarsite.engine.training.kaggle import notebook, registry
from lunarsite.engine.training.kaggle.credentials import CredentialsError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("kaggle") is None, reason="the group kaggle is not installed"
)

SEED = registry.KERNELS["surface_seed_1"]
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
def client(server):  # noqa: ARG001  it must be there first
    return kaggle.Client(threading.Event(), first_s=0.01)


@pytest.fixture
def pushed(server, client, tmp_path):
    """Return a maker of kernels that were pushed, with the states that follow."""

    def make(*states, **options):
        made = server.plan(SEED.slug, *states, **options)
        notebook.write(SEED, tmp_path / "written", client.owner, {})
        client.push(tmp_path / "written")
        return made

    return make


def test_a_kernel_is_pushed_with_its_notebook_and_what_it_attaches(server, client, tmp_path):
    server.plan(SEED.slug)
    notebook.write(SEED, tmp_path, client.owner, {})
    assert client.push(tmp_path) == 1
    (request,) = server.pushes
    assert request["slug"] == f"{USER}/{SEED.slug}"
    assert request["newTitle"] == SEED.title
    assert request["datasetDataSources"] == [f"{USER}/lunarsite-engine"]
    assert request["enableGpu"]
    assert request["isPrivate"]
    assert request["enableInternet"]
    assert request["machineShape"] == "NvidiaTeslaT4"
    assert '"surface_seed_1", "--here"' in request["text"].replace("\\", "")


def test_a_dataset_that_kaggle_does_not_find_is_an_error(server, client, tmp_path):
    server.plan(SEED.slug)
    server.datasets.clear()
    notebook.write(SEED, tmp_path, client.owner, {})
    with pytest.raises(kaggle.KaggleError, match="without selene/lunarsite-engine, which it does"):
        client.push(tmp_path)


@pytest.mark.parametrize(
    ("kaggles", "ours", "active"),
    [
        ("QUEUED", "queued", True),
        ("RUNNING", "running", True),
        ("NEW_SCRIPT", "newscript", True),
        ("CANCEL_REQUESTED", "cancelrequested", True),
        ("COMPLETE", "complete", False),
        ("ERROR", "error", False),
        ("CANCEL_ACKNOWLEDGED", "cancelacknowledged", False),
        ("cancelAcknowledged", "cancelacknowledged", False),
        ("cancelled", "cancelled", False),  # the client itself does not know it
    ],
)
def test_states_are_kaggles_own(client, pushed, kaggles, ours, active):
    pushed(kaggles)
    state = client.state(SEED.slug)
    assert (state.name, state.active) == (ours, active)


def test_every_state_that_the_client_knows_is_known_here():
    enums = pytest.importorskip("kagglesdk.kernels.types.kernels_enums")
    known = {each.name.replace("_", "").lower() for each in enums.KernelWorkerStatus}
    assert known <= {*kaggle.ACTIVE, *kaggle.ENDED}


def test_an_unknown_state_is_an_error_with_its_name(client, pushed):
    pushed("ASLEEP")
    with pytest.raises(kaggle.KaggleError, match="the state 'ASLEEP', which is not known"):
        client.state(SEED.slug)


def test_a_kernel_that_was_never_pushed_is_absent(client):
    assert client.state("lunarsite-surface-seed-9") == kaggle.State(kaggle.ABSENT)


def test_the_state_is_that_of_the_version(client, pushed, tmp_path):
    pushed("RUNNING")
    client.push(tmp_path / "written")
    assert client.state(SEED.slug, 2).name == "running"
    assert client.state(SEED.slug, 3).name == kaggle.ABSENT


@pytest.mark.parametrize("faults", [[503], [DROP], [429, 500, 502], [DROP, 503, 504, DROP, 503]])
def test_passing_faults_are_tried_again(server, client, pushed, faults):
    pushed("RUNNING")
    server.faults[STATUS].extend(faults)
    assert client.state(SEED.slug).name == "running"
    assert server.asked.count(STATUS) == len(faults) + 1, server.asked


def test_the_wait_doubles_and_ends(server, client, pushed, monkeypatch):
    pushed("RUNNING")
    waits = []
    monkeypatch.setattr(client._cancelled, "wait", lambda wait_s: bool(waits.append(wait_s)))
    server.faults[STATUS].extend([503] * 20)
    with pytest.raises(kaggle.UnreachableError, match=r"Kaggle does not answer .*: HTTP 503"):
        client.state(SEED.slug)
    assert waits == [0.01 * 2**k for k in range(6)]


def test_an_answer_that_never_comes_is_a_passing_fault(server, client, pushed, monkeypatch):
    pushed("RUNNING")
    monkeypatch.setattr(kaggle, "TIMEOUT_S", 0.1)
    server.faults[STATUS].append(0.5)
    assert client.state(SEED.slug).name == "running"
    assert server.asked.count(STATUS) == 2


def test_other_faults_are_not_tried_again(server, client, pushed):
    pushed("RUNNING")
    server.faults[STATUS].append(400)
    with pytest.raises(kaggle.KaggleError, match=r"Kaggle refuses the state of .*HTTP 400"):
        client.state(SEED.slug)
    assert server.asked.count(STATUS) == 1


def test_a_push_is_tried_once(server, client, tmp_path):
    server.plan(SEED.slug)
    server.faults["SaveKernel"].append(kaggle_server.LOSE)
    notebook.write(SEED, tmp_path, client.owner, {})
    with pytest.raises(kaggle.UnreachableError):
        client.push(tmp_path)
    assert server.asked.count("SaveKernel") == 1


def test_a_cancelled_wait_ends_at_once(server, client, pushed):
    pushed("RUNNING")
    server.faults[STATUS].extend([503] * 9)
    client._cancelled.set()
    with pytest.raises(CancelledError, match="the same command goes on where it stopped"):
        client.state(SEED.slug)
    assert server.asked.count(STATUS) == 1


def test_the_output_comes_in_pages_and_only_what_is_asked_for(server, client, pushed, tmp_path):
    files = {f"{letter}.json": letter.encode() for letter in "abcde"} | {
        "__notebook__.ipynb": b"{}"
    }
    pushed("COMPLETE", files=files)
    server.faults["file"].extend([503, DROP])
    client.pull(SEED.slug, tmp_path / "out", r"^[a-d]\.json$")
    found = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.json")}
    assert found == {name: files[name] for name in ("a.json", "b.json", "c.json", "d.json")}


def test_the_log_is_read_as_lines(client, pushed):
    pushed("ERROR", log=f"step 1\nthe key is {KEY}\n")
    assert client.log(SEED.slug) == ["step 1", "the key is [credentials]"]


@pytest.mark.parametrize(
    ("text", "lines"), [("plain\ntext", "plain\ntext"), ('{"a": 1}', '{"a": 1}'), ("[]", "")]
)
def test_logs_of_other_forms_are_shown_as_they_are(text, lines):
    assert kaggle.log_text(text) == lines


@pytest.mark.usefixtures("server")
def test_wrong_credentials_are_a_sentence_without_them(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KAGGLE_KEY", "a-wrong-key-0815")
    with pytest.raises(CredentialsError, match="Kaggle refuses the credentials") as caught:
        kaggle.Client(threading.Event(), 0.01).state(SEED.slug)
    assert "0815" not in str(caught.value)
    assert "0815" not in caplog.text


def test_a_token_signs_in_through_faults(server, monkeypatch):
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    server.faults["IntrospectToken"].extend([503, DROP])
    assert kaggle.Client(threading.Event(), 0.01).owner == USER


@pytest.mark.usefixtures("server")
def test_a_token_that_kaggle_does_not_know_is_refused(monkeypatch, capsys):
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_an-expired-one")
    with pytest.raises(CredentialsError) as caught:
        kaggle.Client(threading.Event(), 0.01)
    assert "they are wrong, or expired" in str(caught.value)
    assert capsys.readouterr() == ("", "")


def test_credentials_are_in_no_log_and_no_message(server, client, pushed, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    pushed("ERROR", message=f"sent {KEY}")
    server.faults[STATUS].extend([503, DROP])
    assert client.state(SEED.slug).message == "sent [credentials]"
    assert "again in" in caplog.text
    assert KEY not in caplog.text
    printed = capsys.readouterr()  # another test may have let the log be printed
    assert printed.out == ""
    assert KEY not in printed.err
