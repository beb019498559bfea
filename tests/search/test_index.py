from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lancedb
import numpy as np
import pytest
from fake import FakeModel

from open_elsa.errors import DataError
from open_elsa.scenes.places import alone
from open_elsa.search import listening
from open_elsa.search.index import Index
from open_elsa.search.window_table import WindowTable
from open_elsa.sound import audio, foa
from open_elsa.using.describe import TEMPLATE
from open_elsa.using.embedder import Embedder
from open_elsa.using.sound_names import SOUND_NAMES

Sine = Callable[..., np.ndarray]


@pytest.fixture
def index(folder: Path, embedder: Embedder) -> Index:
    return Index.build(folder, embedder)


def names(hits: list) -> list[str]:
    return [hit.file for hit in hits]


def test_build_and_ask_in_words(index: Index, folder: Path) -> None:
    assert index.files == ["deep/middle.flac", "high.wav", "low.wav"]
    assert len(index) == 5 and index.report.added == 3 and not index.report.problems
    hits = index.search("a low tone", k=2)
    assert names(hits)[0] == "low.wav" and len(hits) == 2
    assert hits[0].score > hits[1].score and Path(hits[0].path).samefile(folder / "low.wav")
    assert hits[0].azimuth_deg == pytest.approx(90, abs=1) and hits[0].is_spatial
    high = index.search("a high tone", k=1)[0]
    assert high.file == "high.wav" and high.azimuth_deg is None and not high.is_spatial


def test_an_open_index_says_when_there_is_a_newer_one(index: Index, folder: Path, embedder: Embedder) -> None:
    opened = Index.open(folder, embedder)
    assert opened.newer() is None
    (folder / "low.wav").rename(folder / "lower.wav")
    Index.build(folder, embedder)
    newer = opened.newer()
    assert newer is not None and newer.newer() is None
    assert newer.files == ["deep/middle.flac", "high.wav", "lower.wav"]
    assert opened.files == ["deep/middle.flac", "high.wav", "low.wav"]  # it goes on showing what it showed
    Index.build(folder, Embedder(FakeModel(), batch_size=8), force=True)
    anew = newer.newer()
    assert anew is not None and anew.files == newer.files
    shutil.rmtree(folder / "elsa-index")
    with pytest.raises(DataError, match="holds no index"):
        anew.newer()


def test_an_index_that_is_being_made_is_no_newer_one_yet(index: Index, folder: Path, embedder: Embedder) -> None:
    opened = Index.open(folder, embedder)
    with alone(folder / "elsa-index", wait=False):
        WindowTable.create(folder / "elsa-index", opened.origin)
        assert opened.newer() is None
    half = opened.newer()  # whoever made it has ended, or was killed
    assert half is not None and len(half) == 0


def test_a_newer_index_of_other_weights_is_refused(index: Index, folder: Path, embedder: Embedder) -> None:
    opened, other = Index.open(folder, embedder), Embedder(FakeModel(), batch_size=8)
    other._hash = "f" * 64
    Index.build(folder, other, force=True)
    with pytest.raises(DataError, match="weights"):
        opened.newer()


def test_search_is_the_exact_product_with_the_best_window_of_each_file(index: Index, embedder: Embedder) -> None:
    query = embedder.embed_text("something")[0]
    hits = index.search(vector=query, k=50)
    assert len(hits) == len(set(names(hits))) == 3
    scores = index.vectors @ query
    rows = index.rows()
    files = np.array(rows["file"].to_pylist())
    for hit in hits:
        its = np.flatnonzero(files == hit.file)
        best = its[scores[its].argmax()]
        assert hit.score == pytest.approx(scores[best]) and hit.start_s == rows["start_s"][best].as_py()


def test_ask_by_sound(index: Index, folder: Path) -> None:
    (hit,) = index.search(audio=folder / "deep" / "middle.flac", k=1)
    assert hit.file == "deep/middle.flac" and hit.score == pytest.approx(1, abs=1e-5)


def test_ask_by_place(index: Index) -> None:
    assert names(index.search("x", azimuth_deg=(55, 125))) == ["low.wav"]
    assert names(index.search("x", azimuth_deg=(145, -145))) == ["deep/middle.flac"], "a range over the back"
    assert names(index.search("x", azimuth_deg=(-145, 145))) == ["low.wav"]
    assert set(names(index.search("x", azimuth_deg=(-180, 180)))) == {"low.wav", "deep/middle.flac"}
    assert names(index.search("x", elevation_deg=(5, None))) == ["deep/middle.flac"]
    assert names(index.search("x", spatial=False)) == ["high.wav"]
    assert index.search("x", distance_m=(50, None)) == []
    assert len(index.search("x", floor_area_m2=(None, 60))) == 2
    with pytest.raises(DataError, match="empty"):
        index.search("x", distance_m=(3, 1))


def test_two_do_not_index_at_once(index: Index, folder: Path, embedder: Embedder, sine: Sine) -> None:
    audio.write(folder / "new.wav", sine(400, 1.0)[None], 16000)

    def meanwhile(done: int, total: int) -> None:
        with pytest.raises(DataError, match="another process is indexing"):
            Index.build(folder, embedder)
        assert len(Index.open(folder, embedder).files) == 3, "it can be searched all the while"

    assert Index.build(folder, embedder, progress=meanwhile).report.added == 1
    assert Index.build(folder, embedder).report.unchanged == 4


def test_tags_are_the_likeliest_names(index: Index, embedder: Embedder) -> None:
    rows = index.rows()
    prompts = embedder.embed_text([TEMPLATE.replace("{}", name) for name in SOUND_NAMES])
    for tags, vector in zip(rows["tags"].to_pylist(), index.vectors, strict=True):
        assert tags == [SOUND_NAMES[i] for i in np.argsort(-(prompts @ vector), kind="stable")[:3]]
    first = rows["tags"].to_pylist()[0][2]
    hits = index.search("x", tags=[first], per_file=9)
    assert hits and all(first in hit.tags for hit in hits)
    with pytest.raises(DataError, match=r"no sound is tagged .* did you mean"):
        index.search("x", tags=["a dog, barking"])


def test_wrong_questions(index: Index, folder: Path) -> None:
    for question in ({}, {"text": "a", "audio": folder / "low.wav"}, {"text": "a", "k": 0}, {"text": " "}):
        with pytest.raises(DataError):
            index.search(**question)
    with pytest.raises(DataError, match="3 numbers"):
        index.search(vector=np.ones(3, np.float32))
    with pytest.raises(DataError, match="without a model"):
        Index.open(folder).search("a")


def test_files_on_disk(index: Index) -> None:
    """Any LanceDB can read it: no part of it is ours alone."""
    assert sorted(p.name for p in Path(index.place).iterdir()) == [".lock", "windows.lance"]
    table = lancedb.connect(str(index.place)).open_table("windows")
    assert table.schema.names == [
        "file", "start_s", "end_s", "azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2", "t30_s",
        "is_spatial", "tags", "size", "mtime_ns", "sha256", "azimuth_deg_step", "elevation_deg_step", "distance_m_step",
        "floor_area_m2_step", "t30_s_step", "vector",
    ]  # fmt: skip
    about = json.loads(table.schema.metadata[b"open_elsa"])
    assert about["weights_sha256"] == index.embedder.weights_sha256 and about["root"] == ".."


def same(one: Index, other: Index) -> bool:
    """The same windows with the same vectors, wherever they lie on disk."""
    return one.rows().equals(other.rows()) and np.array_equal(one.vectors, other.vectors)


def test_moving_folder_and_index_together(index: Index, folder: Path, tmp_path: Path, embedder: Embedder) -> None:
    shutil.move(folder, tmp_path / "elsewhere")
    hit = Index.open(tmp_path / "elsewhere", embedder).search("a low tone", k=1)[0]
    assert Path(hit.path).is_file()


def test_only_what_changed_is_read_again(index: Index, folder: Path, embedder: Embedder, sine: Sine) -> None:
    embedder.model.batches.clear()
    assert Index.build(folder, embedder).report.unchanged == 3
    assert not embedder.model.batches
    os.utime(folder / "low.wav", (1, 1))  # touched, not changed
    again = Index.build(folder, embedder)
    assert again.report.unchanged == 3 and not embedder.model.batches and same(again, index)
    assert Index.build(folder, embedder)._table.stamps()["low.wav"].mtime_ns == 10**9, "the new time is written down"
    audio.write(folder / "low.wav", sine(4500, 1.0)[None], 16000, overwrite=True)
    audio.write(folder / "new.wav", sine(400, 1.0)[None], 16000)
    (folder / "high.wav").unlink()
    report = Index.build(folder, embedder).report
    assert (report.added, report.changed, report.unchanged, report.removed) == (1, 1, 1, 1)
    now = Index.open(folder, embedder)
    assert now.files == ["deep/middle.flac", "low.wav", "new.wav"]
    assert now.search("a high tone", k=1)[0].file == "low.wav"


def test_moved_files_are_known_by_their_content(index: Index, folder: Path, embedder: Embedder) -> None:
    before = index.search("a low tone", k=1)[0]
    (folder / "elsewhere").mkdir()
    shutil.move(folder / "low.wav", folder / "elsewhere" / "renamed.wav")
    shutil.copy(folder / "high.wav", folder / "copy.wav")
    embedder.model.batches.clear()
    again = Index.build(folder, embedder)
    assert (again.report.moved, again.report.added, again.report.removed, again.report.unchanged) == (1, 1, 0, 2)
    assert sum(n for n, _ in embedder.model.batches) == 1, "only the copy is listened to"
    hit = again.search("a low tone", k=1)[0]
    assert hit.file == "elsewhere/renamed.wav" and hit.score == pytest.approx(before.score) and len(again) == 6
    assert Index.open(folder, embedder).files == again.files
    assert Index.build(folder, embedder).report.unchanged == 4
    assert lancedb.connect(str(again.place)).open_table("windows").stats()["fragment_stats"]["num_fragments"] == 1


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[2])
from fake import FakeModel
from open_elsa.search import index, listening
from open_elsa.using.describe import TEMPLATE
from open_elsa.using.embedder import Embedder
from open_elsa.using.sound_names import SOUND_NAMES
listening.SECONDS_PER_PART = -1.0
def slowly(done, total):
    print(done, flush=True)
    time.sleep(0.3)
index.Index.build(sys.argv[1], Embedder(FakeModel(), batch_size=1), progress=slowly)
"""


def test_killed_outright_it_goes_on_and_equals_a_fresh_build(tmp_path: Path, embedder: Embedder, sine: Sine) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(12):
        audio.write(folder / f"{i:02d}.wav", sine(300 + 100 * i, 0.7)[None], 16000)
    helpers = str(Path(__file__).parents[1] / "using")
    words = [sys.executable, "-c", KILLED, str(folder), helpers]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout is not None
        while int(build.stdout.readline()) < 5:
            pass
        build.kill()
    done = len(Index.open(folder, embedder).files)
    assert 4 <= done < 12
    resumed = Index.build(folder, embedder)
    assert (resumed.report.unchanged, resumed.report.added) == (done, 12 - done)
    fresh = Index.build(folder, embedder, out=tmp_path / "fresh")
    assert resumed.rows().equals(fresh.rows())
    np.testing.assert_allclose(resumed.vectors, fresh.vectors, atol=1e-5)


def test_a_killed_build_goes_on(
    folder: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = Index.build(folder, embedder, out=tmp_path / "whole")
    monkeypatch.setattr(listening, "SECONDS_PER_PART", -1.0)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Index.build(folder, embedder, out=tmp_path / "killed", progress=stop)
    assert len(Index.open(tmp_path / "killed", embedder).files) == 2, "what was finished is there"
    (tmp_path / "killed" / "windows.lance" / "data" / "half.lance").write_bytes(b"half")
    resumed = Index.build(folder, embedder, out=tmp_path / "killed")
    assert resumed.report.unchanged == 2 and resumed.report.added == 1
    assert resumed.rows().equals(whole.rows())
    np.testing.assert_allclose(resumed.vectors, whole.vectors, atol=1e-5)


FULL = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from fake import FakeModel
from open_elsa.errors import DataError
from open_elsa.search.index import Index
from open_elsa.using.describe import TEMPLATE
from open_elsa.using.embedder import Embedder
from open_elsa.using.sound_names import SOUND_NAMES
import lancedb  # its library is mapped before no file may grow
embedder = Embedder(FakeModel())
embedder.weights_sha256
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
try:
    Index.build(sys.argv[1], embedder)
except DataError as error:
    print(error)
"""


def test_a_full_disk_loses_nothing(index: Index, folder: Path, embedder: Embedder, sine: Sine) -> None:
    audio.write(folder / "new.wav", sine(400, 1.0)[None], 16000)
    words = [sys.executable, "-c", FULL, str(folder), str(Path(__file__).parents[1] / "using")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout and "File too large" in done.stdout
    assert same(Index.open(folder, embedder), index)
    assert len(Index.build(folder, embedder).files) == 4


def test_bad_files_are_reported_not_hidden(folder: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "text.wav").write_text("this is no sound")
    (folder / "empty.ogg").write_bytes(b"")
    (folder / "notes.txt").write_text("passed over")
    os.mkfifo(folder / "pipe.wav")  # nobody writes: who reads it waits for ever
    shutil.copy(folder / "low.wav", os.fsencode(folder) + b"/Caf\xe9.wav")
    audio.write(folder / "silent.wav", np.zeros((4, 16000), np.float32), 16000)
    index = Index.build(folder, embedder)
    reasons = {p.file: p.reason for p in index.report.problems}
    assert reasons.keys() == {"text.wav", "empty.ogg", "pipe.wav", "Caf�.wav"}
    assert "a pipe" in reasons["pipe.wav"] and "UTF-8" in reasons["Caf�.wav"]
    assert "silent.wav" in index.files and index.report.added == 4
    tags = dict(zip(index.rows()["file"].to_pylist(), index.rows()["tags"].to_pylist(), strict=True))
    assert tags["silent.wav"] == [] and len(tags["low.wav"]) == 3
    assert index.search("x", spatial=True) and "silent.wav" not in names(index.search("x", spatial=True))
    real = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "deep":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    index = Index.build(folder, embedder)
    assert any(p.file == "deep" and "Permission denied" in p.reason for p in index.report.problems)
    assert "deep/middle.flac" in index.files and index.report.removed == 0, "what cannot be seen now may be there"
    monkeypatch.undo()
    (folder / "deep" / "middle.flac").unlink()
    assert Index.build(folder, embedder).report.removed == 1


def test_folders_that_cannot_be_indexed(tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="not a folder"):
        Index.build(tmp_path / "nowhere", embedder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no sound"):
        Index.build(tmp_path / "empty", embedder)
    assert not (tmp_path / "empty" / "elsa-index").exists()

    def refuse(path: str) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="Permission denied"):
        Index.build(tmp_path / "empty", embedder)


def test_an_index_belongs_to_its_weights(index: Index, folder: Path) -> None:
    other = Embedder(FakeModel(seed=1))
    with pytest.raises(DataError, match="cannot be compared"):
        Index.open(folder, other)
    with pytest.raises(DataError, match="--force"):
        Index.build(folder, other)
    assert same(Index.open(folder), index)
    assert Index.build(folder, other, force=True).report.added == 3
    assert len(Index.open(folder, other)) == 5


def test_other_folders_are_left_alone(folder: Path, tmp_path: Path, embedder: Embedder) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "part-00000.parquet").write_bytes(b"precious")
    for force in (False, True):
        with pytest.raises(DataError, match="not an index"):
            Index.build(folder, embedder, out=mine, force=force)
    assert (mine / "part-00000.parquet").read_bytes() == b"precious"


def test_damaged_indexes_are_refused(index: Index, folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    parts = {p: p.read_bytes() for p in (Path(index.place) / "windows.lance" / "data").iterdir()}
    for part, whole in parts.items():
        part.write_bytes(whole[:100])
    with pytest.raises(DataError, match="damaged"):
        Index.open(folder, embedder)
    for part, whole in parts.items():
        part.write_bytes(whole)
    assert same(Index.open(folder, embedder), index)
    for version in (Path(index.place) / "windows.lance" / "_versions").iterdir():
        version.write_bytes(b"?")
    with pytest.raises(DataError, match=r"cannot be opened.*--force"):
        Index.open(folder, embedder)
    assert Index.build(folder, embedder, force=True).report.added == 3
    with pytest.raises(DataError, match="no index"):
        Index.open(tmp_path / "nowhere")


def test_an_index_of_an_earlier_version_is_named(folder: Path, embedder: Embedder) -> None:
    old = folder / "elsa-index"
    old.mkdir()
    (old / "index.json").write_text('{"format_version": 1}')
    for ask in (Index.open, lambda place: Index.build(folder, embedder, out=place)):
        with pytest.raises(DataError, match="version"):
            ask(old)


def test_convention_travels_with_the_index(folder: Path, embedder: Embedder, sine: Sine, tmp_path: Path) -> None:
    fuma = foa.to_convention(foa.encode(sine(400, 1), 90), "fuma")
    (tmp_path / "fuma").mkdir()
    audio.write(tmp_path / "fuma" / "a.wav", fuma, 16000)
    found = Index.build(tmp_path / "fuma", embedder, out=tmp_path / "i", convention="fuma")
    if found.search("x")[0].azimuth_deg is not None:
        assert found.search("x")[0].azimuth_deg == pytest.approx(90, abs=1)
    with pytest.raises(DataError, match="convention"):
        Index.build(tmp_path / "fuma", embedder, out=tmp_path / "i", convention="n3d")
