"""Small collections in memory and large ones on disk give the same answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lancedb.index import Bitmap

from open_elsa.errors import DataError
from open_elsa.search import window_table
from open_elsa.search.files import Stamp
from open_elsa.search.index import Index
from open_elsa.search.nearest import Limits
from open_elsa.search.queries import View
from open_elsa.search.window_table import Origin, WindowTable
from open_elsa.using.analysis import Location, WindowAnalysis
from open_elsa.using.sound_names import SOUND_NAMES

DIM, FILES, WINDOWS = 16, 60, 10
TAGS = SOUND_NAMES[:3]


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    x = rng.standard_normal((n, DIM))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def heard(rng: np.random.Generator, names: list[str]) -> dict:
    """Files of ten windows at drawn places; every fifth is mono."""
    found = {}
    for i, name in enumerate(names):
        windows = []
        for k, vector in enumerate(unit(rng, WINDOWS)):
            place = Location(*(float(np.float32(x)) for x in (rng.uniform(-180, 180), rng.uniform(-60, 60), 2.5)))
            windows.append(
                WindowAnalysis(vector, Location() if i % 5 == 0 else place, 5.0 * k, 5.0 * k + 10, name, -20.0, False)
            )
        found[name] = (Stamp(i, i, str(i)), windows, [[TAGS[(i + k) % 3]] for k in range(WINDOWS)])
    return found


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> WindowTable:
    made = WindowTable.create(tmp_path_factory.mktemp("t") / "i", Origin("m", "0" * 64, DIM, 10.0, "auto", ".."))
    made.add(heard(np.random.default_rng(0), [f"{i:02d}.wav" for i in range(FILES)]))
    return made


@pytest.fixture
def both(table: WindowTable, monkeypatch: pytest.MonkeyPatch) -> tuple[Index, Index]:
    """The same index in memory and on disk, there with LanceDB's approximate index."""
    small = Index(table, None)
    monkeypatch.setattr(window_table, "MOST_IN_MEMORY", 100)
    monkeypatch.setattr(window_table, "WINDOWS_A_PART", 150)
    table.tidy()
    assert {index.index_type for index in table._table.list_indices()} == {"Bitmap", "IvfRq"}
    return small, Index(WindowTable.open(table.place), None)


def test_large_collections_answer_as_small_ones(both: tuple[Index, Index]) -> None:
    small, large = both
    assert len(large) == len(small) == FILES * WINDOWS and large.files == small.files
    shared = []
    for query in unit(np.random.default_rng(1), 10):
        for limits in (
            {},
            {"azimuth_deg": (150, -150)},
            {"elevation_deg": (0, None), "spatial": True},
            {"tags": [TAGS[1]]},
        ):
            wanted = small.search(vector=query, k=5, per_file=2, **limits)
            found = large.search(vector=query, k=5, per_file=2, exact=True, **limits)
            assert [(h.file, h.start_s) for h in found] == [(h.file, h.start_s) for h in wanted]
            np.testing.assert_allclose([h.score for h in found], [h.score for h in wanted], atol=1e-5)
            assert [h.percentile for h in found] == [h.percentile for h in wanted]
            near = large.search(vector=query, k=5, per_file=2, **limits)
            assert {h.percentile for h in near} == {None}, "not all were compared"
            names = zip(*(small.rows()[name].to_pylist() for name in ("file", "start_s")), strict=True)
            scores = dict(zip(names, (small.vectors @ query).tolist(), strict=True))
            for hit in near:  # approximate is which windows are found, not how near they are
                assert hit.score == pytest.approx(scores[hit.file, hit.start_s], abs=1e-5)
            assert [h.score for h in near] == sorted((h.score for h in near), reverse=True) and len(near) == 5
            shared.append(len({(h.file, h.start_s) for h in wanted} & {(h.file, h.start_s) for h in near}) / 5)
    assert np.mean(shared) > 0.9, "one bit a dimension tells little in sixteen dimensions, and yet"


def test_more_are_looked_for_where_many_overlap(both: tuple[Index, Index]) -> None:
    small, large = both
    query = unit(np.random.default_rng(2), 1)[0]
    wanted = [h.file for h in small.search(vector=query, k=FILES)]
    assert len(wanted) == FILES
    assert sorted(h.file for h in large.search(vector=query, k=FILES)) == sorted(wanted)
    assert large.search(vector=query, distance_m=(50, None)) == []


def test_windows_that_came_after_the_approximate_index_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_table, "MOST_IN_MEMORY", 100)
    table = WindowTable.create(tmp_path / "i", Origin("m", "0" * 64, DIM, 10.0, "auto", ".."))
    rng = np.random.default_rng(3)
    table.add(heard(rng, [f"{i}.wav" for i in range(40)]))
    table.tidy()
    late = heard(rng, ["it's late.wav"])
    table.add(late)
    vector = late["it's late.wav"][1][3].embedding
    for _ in range(2):
        (hit,) = Index(table, None).search(vector=vector, k=1)
        assert (hit.file, hit.start_s) == ("it's late.wav", 15.0) and hit.score == pytest.approx(1, abs=1e-5)
        table.tidy()
    table.remove(["it's late.wav"])
    assert Index(table, None).search(vector=vector, k=1)[0].score < 0.999


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    azimuth=st.none() | st.tuples(st.integers(-360, 360), st.integers(-360, 360)),
    elevation=st.none() | st.tuples(st.none() | st.integers(-90, 0), st.none() | st.integers(0, 90)),
    spatial=st.none() | st.booleans(),
    tags=st.none() | st.lists(st.sampled_from([*TAGS, "it's none"]), max_size=2).map(tuple),
)
def test_limits_in_sql_are_the_limits_in_memory(
    table: WindowTable, azimuth: tuple, elevation: tuple, spatial: bool, tags: tuple
) -> None:
    ranges = () if elevation is None else (("elevation_deg", elevation),)
    limits = Limits(azimuth, ranges, spatial, tags)
    rows = table.rows()
    kept = set(rows["_rowid"].to_numpy()[limits.mask(rows)].tolist())
    assert {int(i) for ids, _ in table.scan(limits.sql) for i in ids} == kept
    assert {int(i) for ids, _ in table.scan(limits.sql_of_steps) for i in ids} >= kept


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(window_table.PLACE), a=st.floats(0.001, 1e4), b=st.floats(0.001, 1e4))
def test_steps_rise_with_what_they_stand_for(name: str, a: float, b: float) -> None:
    low, high = window_table.steps_of(name, np.array(sorted((a, b))))
    assert low <= high and low > -1100 and high < 32767
    assert np.isnan(window_table.steps_of(name, np.array([np.nan]))[0])


def test_few_others_pass_the_steps(table: WindowTable) -> None:
    limits = Limits((60, 120), (("elevation_deg", (-20.0, 20.0)),))
    exact, coarse = (sum(len(ids) for ids, _ in table.scan(sql)) for sql in (limits.sql, limits.sql_of_steps))
    assert 0 < exact <= coarse < 1.8 * exact + 20


def test_an_approximate_index_that_a_kill_left_out_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_table, "MOST_IN_MEMORY", 100)
    table = WindowTable.create(tmp_path / "i", Origin("m", "0" * 64, DIM, 10.0, "auto", ".."))
    table.add(heard(np.random.default_rng(6), [f"{i}.wav" for i in range(40)]))
    table._table.create_index(window_table.step_column("t30_s"), config=Bitmap())  # killed after the first of them
    assert table.lacks_index
    table.tidy()
    assert not table.lacks_index
    assert {index.index_type for index in table._table.list_indices()} == {"Bitmap", "IvfRq"}


def test_two_ways_to_write_behind(tmp_path: Path) -> None:
    table = WindowTable.create(tmp_path / "i", Origin("m", "0" * 64, DIM, 10.0, "auto", ".."))
    vector = unit(np.random.default_rng(0), 1)[0]
    for name, azimuth in (("a.wav", 180.0), ("b.wav", -180.0), ("c.wav", 120.0)):
        window = WindowAnalysis(vector, Location(azimuth, 0.0, 1.0), 0.0, 10.0, name, -20.0, False)
        table.add({name: (Stamp(1, 1, name), [window], [[]])})
    for azimuths in ((150, 180), (-180, -150), (180, 180), (150, -150)):
        limits = Limits(azimuth_deg=azimuths)
        rows = table.rows()
        assert limits.mask(rows).tolist() == [True, True, False]
        for sql in (limits.sql, limits.sql_of_steps):
            assert sum(len(ids) for ids, _ in table.scan(sql)) >= 2, (azimuths, sql)


def test_bounds_that_are_no_numbers(both: tuple[Index, Index]) -> None:
    vector = unit(np.random.default_rng(4), 1)[0]
    for index in both:
        wanted = index.search(vector=vector, k=3, elevation_deg=(0, None), distance_m=(2, None))
        assert index.search(vector=vector, k=3, elevation_deg=(0, np.inf), distance_m=(2, np.inf)) == wanted != []
        for limits in ({"distance_m": (float("nan"), 1.0)}, {"azimuth_deg": (float("nan"), 1.0)}):
            with pytest.raises(DataError, match=r"number|finite"):
                index.search(vector=vector, **limits)


def test_few_files_are_found_without_making_rows_of_all_windows(tmp_path: Path) -> None:
    table = WindowTable.create(tmp_path / "i", Origin("m", "0" * 64, DIM, 10.0, "auto", ".."))
    rng = np.random.default_rng(5)
    for name in ("a.wav", "b.wav", "c.wav"):
        windows = [
            WindowAnalysis(v, Location(), 10.0 * k, 10.0 * k + 10, name, -20.0, False)
            for k, v in enumerate(unit(rng, 3000))
        ]
        table.add({name: (Stamp(1, 1, name), windows, [[]] * 3000)})
    made = 0
    small = Index(table, None)
    hits = small.search(vector=unit(rng, 1)[0], k=10)
    assert sorted(h.file for h in hits) == ["a.wav", "b.wav", "c.wav"]
    ranking = small._memory.rank(unit(rng, 1)[0], View.of("both", None), Limits())
    full: set[str] = set()
    for row, _ in ranking.best_first(10, full):
        full.add(row["file"])
        made += 1
    assert made < 2200, "windows of files that have what is wanted are passed over in bulk"


def test_a_range_over_the_back() -> None:
    assert "OR" in str(Limits(azimuth_deg=(150, -150)).sql)
    with pytest.raises(DataError, match="empty"):
        Limits(ranges=(("distance_m", (3.0, 1.0)),))
