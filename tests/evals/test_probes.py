"""Linear probes on vectors of which it is known what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from open_elsa.errors import DataError
from open_elsa.evals.probes import (
    azimuth_errors,
    crossed_folds,
    deal,
    probe_azimuth,
    probe_classes,
    shrunk_covariance,
)

RNG = np.random.default_rng(0)
ROOMS, RECORDINGS = [f"r{i // 12}" for i in range(360)], [f"c{i % 40}" for i in range(360)]
FOLDS = crossed_folds(ROOMS, RECORDINGS)


def test_every_item_is_tested_once_by_other_rooms_and_recordings() -> None:
    tested = np.zeros(360, dtype=int)
    for train, test in FOLDS:
        tested += test
        for keys in (np.array(ROOMS), np.array(RECORDINGS)):
            assert not set(keys[train]) & set(keys[test])
        assert train.sum() > 0.5 * 360
    assert (tested == 1).all() and 20 <= len(FOLDS) <= 25


def test_folds_are_even_and_there_are_no_more_than_keys() -> None:
    assert set(np.bincount(deal(ROOMS, 5, 0))) == {72}
    assert deal(["a", "a", "b", "c"], 5, 0).max() == 2
    with pytest.raises(DataError, match="two at least"):
        deal(["a", "a"], 5, 0)


def test_a_class_that_vectors_hold_is_read_and_one_they_do_not_is_guessed() -> None:
    labels = RNG.integers(0, 4, 360)
    clean = RNG.standard_normal((360, 30)).astype(np.float32)
    leaky = clean.copy()
    leaky[:, :4] += 4.0 * np.eye(4)[labels]
    assert (probe_classes(leaky, labels, FOLDS) == labels).mean() > 0.95
    assert (probe_classes(clean, labels, FOLDS) == labels).mean() == pytest.approx(0.25, abs=0.08)


def test_a_recordings_fingerprint_teaches_nothing_of_others() -> None:
    # every recording has a class by lot and a vector of its own: known recordings could be read, unknown ones can't
    labels = RNG.integers(0, 2, 40)[np.arange(360) % 40]
    vectors = RNG.standard_normal((40, 60))[np.arange(360) % 40].astype(np.float32)
    assert (probe_classes(vectors, labels, FOLDS) == labels).mean() < 0.7
    everyone = [(np.ones(360, dtype=bool), np.ones(360, dtype=bool))]
    assert (probe_classes(vectors, labels, everyone) == labels).mean() > 0.95


def test_a_rare_class_counts_as_much_as_a_common_one() -> None:
    labels = (np.arange(360) % 12 == 0).astype(np.int64)
    vectors = RNG.standard_normal((360, 2)).astype(np.float32)
    vectors[:, 0] += 2.0 * labels
    said = probe_classes(vectors, labels, FOLDS)
    assert (said == labels)[labels == 1].mean() > 0.6  # weighted by frequency it would be a third


def test_items_without_a_class_are_left_alone() -> None:
    labels = np.where(np.arange(360) % 3 == 0, -1, np.arange(360) % 2)
    vectors = np.eye(3)[labels].astype(np.float32) + 0.01 * RNG.standard_normal((360, 3)).astype(np.float32)
    said = probe_classes(vectors, labels, FOLDS)
    assert np.array_equal(said, labels)


def test_azimuth_is_read_round_the_circle() -> None:
    azimuth = RNG.uniform(-180, 180, 360)
    vectors = np.stack([np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth)), RNG.standard_normal(360)], axis=1)
    said = probe_azimuth(vectors.astype(np.float32), azimuth, FOLDS)
    assert azimuth_errors(said, azimuth).max() < 5.0
    azimuth[0] = np.nan
    said = probe_azimuth(RNG.standard_normal((360, 8)).astype(np.float32), azimuth, FOLDS)
    assert np.isnan(said[0]) and np.nanmean(azimuth_errors(said, azimuth)) == pytest.approx(90.0, abs=10.0)


def test_azimuths_differ_the_short_way() -> None:
    assert azimuth_errors(np.array([170.0, -10.0]), np.array([-170.0, 30.0])).tolist() == [20.0, 40.0]


def test_shrinkage_is_that_of_scikit_learn() -> None:
    from sklearn.covariance import ledoit_wolf

    x = RNG.standard_normal((30, 50)) * np.linspace(0.1, 2, 50)
    assert np.allclose(shrunk_covariance(x - x.mean(0)), ledoit_wolf(x - x.mean(0), assume_centered=True)[0])
