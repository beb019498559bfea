"""Sets of scenes, banks and clips at URLs: the same bytes as in folders, found again from where they are."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cluster_work as work
import fsspec
import numpy as np
import pytest

from open_elsa import corpora
from open_elsa.errors import DataError
from open_elsa.scenes import places, scene_set
from open_elsa.scenes.bank import RoomBank
from open_elsa.scenes.scene_set import SceneSet
from open_elsa.scenes.store import Store


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = work.make_home(tmp_path_factory.mktemp("places") / "home")
    work.make(made, "set", 1)
    return made


@pytest.fixture()
def url(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The clips and the bank in fsspec's memory; copies go to a cache of this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    memory: Any = fsspec.filesystem("memory")
    for folder in ("clips", "bank"):
        for path in (home / folder).iterdir():
            memory.pipe_file(f"/bucket/home/{folder}/{path.name}", path.read_bytes())
    yield "memory://bucket/home"
    memory.rm("/bucket", recursive=True)


def test_a_set_at_a_url_has_the_bytes_of_one_in_a_folder(home: Path, url: str) -> None:
    made = work.make(url, "set", 1)
    store = Store(f"{url}/set")
    assert store.list() == ["clips.parquet", "scenes.parquet", "set.json"]
    assert store.list("parts/*") == []
    for name in store.list():
        assert store.read(name) == (home / "set" / name).read_bytes()
    here, there = SceneSet.open(home / "set"), SceneSet.open(f"{url}/set")  # finds its bank and its clips by itself
    assert len(there) == len(made) == work.SCENES
    assert np.array_equal(there.render(5), here.render(5))
    assert np.array_equal(pickle.loads(pickle.dumps(there)).render(5), here.render(5))
    assert there.clip(there[0]).path.startswith(f"{url}/clips/")


def test_an_interrupted_set_at_a_url_goes_on(home: Path, url: str) -> None:
    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.make(url, "set", 1, stop)
    store = Store(f"{url}/set")
    assert store.list("parts/*") == ["parts/part-000000.parquet"]
    with pytest.raises(DataError, match="is unfinished"):
        SceneSet.open(f"{url}/set")
    first = store.read("parts/part-000000.parquet")
    seen: list[tuple[int, bytes]] = []
    work.make(url, "set", 1, lambda p: seen.append((p.done, store.read("parts/part-000000.parquet"))))
    assert seen[0] == (4, first) and store.read("scenes.parquet") == (home / "set" / "scenes.parquet").read_bytes()
    with pytest.raises(DataError, match=r"memory://bucket/home/set holds scenes made from other settings \(seed\)"):
        work.make(url, "set", 1, seed=1)


def test_a_part_that_is_nowhere_is_named(url: str) -> None:
    def lose(progress: Any) -> None:
        if progress.done == work.SCENES:
            Store(f"{url}/set").remove("parts/part-000002.parquet")

    with pytest.raises(DataError, match=r"part-000002.parquet is not there, and 0 more.*all nodes share"):
        work.make(url, "set", 1, lose)
    assert len(work.make(url, "set", 1)) == work.SCENES


def test_a_bank_is_copied_once_a_machine(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = RoomBank.open(f"{url}/bank")
    monkeypatch.setattr(Store, "fetch", lambda *_: pytest.fail("copied again"))
    again = pickle.loads(pickle.dumps(RoomBank.open(f"{url}/bank")))
    assert again.folder == bank.folder and again.folder.is_relative_to(tmp_path / "cache")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))  # as on another node
    moved = pickle.loads(pickle.dumps(bank))
    assert moved.folder.is_relative_to(tmp_path / "other")
    assert np.array_equal(moved.response(4), bank.response(4))
    with pytest.raises(DataError, match=r"memory://bucket/nothing holds no room bank"):
        RoomBank.open("memory://bucket/nothing")


def test_clips_at_a_url(home: Path, url: str) -> None:
    here, there = corpora.load(home / "clips").clips, corpora.load(f"{url}/clips").clips
    assert [c.path for c in there] == [f"{url}/clips/{name}.wav" for name, _ in work.SOUNDS]
    assert [c.id for c in there] == [c.id for c in here]
    memory: Any = fsspec.filesystem("memory")
    memory.pipe_file(
        "/bucket/home/clips/captions.csv", b"path,caption,duration_s\ndog.wav,a dog,\ncat.wav,a cat,\nbell.wav,a,long\n"
    )
    loaded = corpora.load(f"{url}/clips")
    assert [c.duration_s for c in loaded.clips] == [0.4]  # of its header
    assert [str(p) for p in loaded.problems] == [
        f"{url}/clips/cat.wav: missing; named in {url}/clips/captions.csv, line 3",
        f"{url}/clips/captions.csv, line 4: duration_s is no number: 'long'",
    ]
    with pytest.raises(DataError, match="more than 1 missing"):
        corpora.load(f"{url}/clips", max_problems=1)
    with pytest.raises(DataError, match="from a folder of this machine"):
        corpora.load("esc50", f"{url}/clips")
    with pytest.raises(DataError, match="has neither captions"):
        corpora.load(f"{url}/bank")


def test_a_clip_that_is_gone_is_a_problem_a_store_that_is_silent_stops(
    home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = corpora.load(f"{url}/clips").clips
    fsspec.filesystem("memory").rm("/bucket/home/clips/rain.wav")
    options = {"recipe": work.RECIPE, "per_clip": 2, "seed": 9, "workers": 1}
    bank = RoomBank.open(f"{url}/bank")
    made = scene_set_of(f"{url}/set", clips, bank, options)
    assert len(made) == 4
    assert list(made.problems) == [f"{url}/clips/rain.wav"]
    real = Store.fetch

    def silent(self: Store, name: str) -> Path:
        if name == "dog.wav":
            raise DataError("dog.wav cannot be read, tried 5 times")
        return real(self, name)

    monkeypatch.setattr(Store, "fetch", silent)
    with pytest.raises(DataError, match="tried 5 times"):
        scene_set_of(f"{url}/other", clips, bank, options)


def scene_set_of(url: str, clips: Any, bank: RoomBank, options: dict[str, Any]) -> scene_set.SceneSet:
    from open_elsa.scenes.synthesis import make_scenes

    return make_scenes(url, clips, bank, **options)


@pytest.mark.parametrize(
    ("folder", "place", "way"),
    [
        ("/home/set", "/home/bank", "../bank"),
        ("s3://b/home/set", "s3://b/home/bank", "../bank"),
        ("s3://b/set", "s3://other/bank", "s3://other/bank"),
        ("s3://b/set", "/home/bank", "/home/bank"),
        ("/home/set", "s3://b/bank", "s3://b/bank"),
        ("s3://b/set", "s3://b", ".."),
    ],
)
def test_ways_from_a_set_to_its_neighbours(folder: str, place: str, way: str) -> None:
    assert places.seen_from(folder, place) == way
    found = places.reach(folder, way)
    assert str(Path(found).resolve() if not places.is_url(found) else found) == place


def test_the_folder_of_clips() -> None:
    assert places.folder_of(["/a/b/x.wav", "/a/c/y.wav"]) == "/a"
    assert places.folder_of(["s3://b/a/x.wav", "s3://b/a/c/y.wav"]) == "s3://b/a"
    assert places.folder_of(["s3://b/x.wav"]) == "s3://b"
    with pytest.raises(DataError, match="must lie in one place"):
        places.folder_of(["s3://b/x.wav", "/a/y.wav"])
