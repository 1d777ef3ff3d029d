from __future__ import annotations

import json

import pytest

from lunarsite.engine.pipelines.manifest import Manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run" / "layers").mkdir(parents=True)
    return tmp_path / "run"


def put(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_a_step_is_done_while_its_files_are_unchanged(folder):
    book = Manifest.open(folder)
    out = put(folder, "layers/a.tif", "1")
    key = book.key("terrain", {"x": 1}, {"dem": [out]})
    assert book.done("terrain", key) is None
    book.record("terrain", key, [out], {"n": 3}, ["mind"])
    again = Manifest.open(folder)
    entry = again.done("terrain", key)
    assert (entry["result"], entry["warnings"]) == ({"n": 3}, ["mind"])
    assert list(entry["outputs"]) == ["layers/a.tif"]
    out.write_text("2")
    assert Manifest.open(folder).done("terrain", key) is None
    out.unlink()
    assert Manifest.open(folder).done("terrain", key) is None


def test_the_key_depends_on_content_and_role(folder):
    book = Manifest.open(folder)
    one, same, other = (put(folder, n, t) for n, t in (("1", "a"), ("2", "a"), ("3", "b")))
    key = book.key("s", {}, {"dem": [one]})
    assert book.key("s", {}, {"dem": [same]}) == key
    assert book.key("s", {}, {"dem": [other]}) != key
    assert book.key("s", {}, {"far_field": [one]}) != key
    assert book.key("s", {"cell_m": 1}, {"dem": [one]}) != key
    assert book.key("t", {}, {"dem": [one]}) != key
    assert book.key("s", {}, {"dem": [one, other]}) != book.key("s", {}, {"dem": [other, one]})


def test_an_unchanged_file_is_not_read_again(folder, monkeypatch):
    book = Manifest.open(folder)
    file = put(folder, "x", "a")
    wanted = book.sha256(file)
    book.save()
    monkeypatch.setattr("lunarsite.engine.provenance.sha256", lambda _: pytest.fail("read"))
    assert Manifest.open(folder).sha256(file) == wanted


def test_only_leftovers_of_a_killed_run_are_removed(folder):
    left = ["layers/.a.partial-12.tif", ".sites.partial-3.gpkg-journal", ".m.partial-9.plain.tif"]
    kept = ["layers/a.tif", ".partial-notes", "mine.partial-3.tif", ".scratch-pad", "deep"]
    for name in [*left, *kept]:
        put(folder, name, "x")
    (folder / "layers" / ".scratch-77").mkdir()
    (folder / "layers" / ".scratch-77" / "big").write_text("x")
    (folder / "other" / ".scratch-1").mkdir(parents=True)
    Manifest.open(folder)
    assert not any((folder / name).exists() for name in [*left, "layers/.scratch-77"])
    assert all((folder / name).exists() for name in [*kept, "other/.scratch-1"])


def test_a_running_run_is_not_finished(folder):
    book = Manifest.open(folder)
    book.content["finished"] = True
    book.save()
    book.begin()
    assert json.loads((folder / "manifest.json").read_text())["finished"] is False


def test_a_forgotten_step_is_removed_with_its_files(folder):
    book = Manifest.open(folder)
    out = put(folder, "layers/a.tif", "1")
    book.record("lighting", "k", [out], {}, [])
    book.forget("lighting", ["layers/a.tif", "layers/none.tif"])
    assert not out.exists()
    assert json.loads((folder / "manifest.json").read_text())["steps"] == {}


def test_an_unchanged_manifest_is_not_rewritten(folder):
    book = Manifest.open(folder)
    book.content["finished"] = True
    book.save()
    before = (folder / "manifest.json").stat().st_mtime_ns
    book.save()
    assert (folder / "manifest.json").stat().st_mtime_ns == before


ENTRY = {"key": "k", "outputs": {"a.tif": "0"}, "result": {}, "warnings": []}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 100_000, '{"steps": 3}', '{"steps": {"s": 3}}']
    + ['{"steps": {"s": {"key": "k"}}}', '{"steps": null}', "\0", '{"steps": [1]}']
    + [
        json.dumps({"steps": {"s": ENTRY | {name: value}}})
        for name, value in (
            ("outputs", ["a.tif"]),
            ("outputs", {"a.tif": 3}),
            ("outputs", {"../a.tif": "0"}),
            ("outputs", {"/etc/passwd": "0"}),
            ("outputs", {"C:\\a.tif": "0"}),
            ("outputs", {"layers/../../a.tif": "0"}),
            ("warnings", "none"),
            ("warnings", [3]),
            ("result", None),
            ("key", 3),
        )
    ],
)
def test_a_damaged_or_foreign_manifest_is_replaced(folder, text):
    put(folder, "manifest.json", text)
    put(folder, ".lunarsite-known.json", '{"a": 3, "b": [1], "c": [1, 2, 3, 4, "5"]}')
    put(folder.parent, "a.tif", "")
    book = Manifest.open(folder)
    assert book.done("s", "k") is None
    assert book.content == {}
    out = put(folder, "b", "x")
    book.record("s", "k", [out], {}, [])
    assert Manifest.open(folder).done("s", "k") is not None


def test_what_a_manifest_names_elsewhere_is_not_read(folder, monkeypatch):
    stolen = put(folder.parent, "secret", "x")
    entry = ENTRY | {"outputs": {"../secret": "0"}}
    put(folder, "manifest.json", json.dumps({"steps": {"s": entry}}))
    monkeypatch.setattr("lunarsite.engine.pipelines.manifest.sha256", lambda _: pytest.fail("read"))
    assert Manifest.open(folder).done("s", "k") is None
    assert stolen.exists()
