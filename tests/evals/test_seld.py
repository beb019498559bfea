"""The metrics of sound event localization and detection, on cases small enough to work out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from open_elsa.errors import DataError
from open_elsa.evals import seld
from open_elsa.evals.seld import DCASE2021, DCASE2022, DCASE2024, Frames, Heard

CLASSES = ("dog", "rain", "bell")


def second(*sounds: Heard, frames: int = 10) -> Frames:
    """The same sounds in every frame of a second."""
    return [list(sounds)] * frames


def at(label: str, azimuth_deg: float, elevation_deg: float = 0.0, distance_m: float | None = None) -> Heard:
    return Heard(label, azimuth_deg, elevation_deg, distance_m)


def score(
    reference: Frames, predicted: Frames, average: seld.Average = "micro", edition: seld.Edition = DCASE2022
) -> seld.Scores:
    return seld.scores(seld.count(reference, predicted, CLASSES, edition), average, edition)


def rounded(scores: seld.Scores) -> tuple[float, ...]:
    return tuple(round(v, 6) for v in (scores.er, scores.f, scores.le_deg, scores.lr, scores.seld))


def test_a_hit_a_miss_and_an_extra_in_three_seconds() -> None:
    reference = [*second(at("dog", 0)), *second(at("rain", 90)), *second()]
    predicted = [*second(at("dog", 10)), *second(), *second(at("bell", 0))]
    # second 1: dog is 10 deg off, a hit; second 2: rain is missed, a deletion; second 3: bell is extra, an insertion.
    # ER = (0 S + 1 D + 1 I) / 2 references = 1. F = 1 / (1 + (1 extra + 1 missed) / 2) = 1/2.
    # LE = 10 / 1 matched. LR = 1 matched / (1 matched + 1 missed) = 1/2.
    # SELD = (1 + 1/2 + 10/180 + 1/2) / 4 = 0.513889
    assert rounded(score(reference, predicted)) == (1.0, 0.5, 10.0, 0.5, 0.513889)
    # macro: over dog and rain, the classes of the reference; bell's insertion is in ER alone.
    # dog: F 1, LE 10, LR 1, SELD (1 + 0 + 10/180 + 0) / 4 = 0.263889.
    # rain: F 0, LE 180 (never found), LR 0, SELD (1 + 1 + 1 + 1) / 4 = 1.
    # F = 1/2, LE = (10 + 180) / 2 = 95, LR = 1/2, SELD = (0.263889 + 1) / 2 = 0.631944
    assert rounded(score(reference, predicted, "macro")) == (1.0, 0.5, 95.0, 0.5, 0.631944)
    each = seld.class_scores(seld.count(reference, predicted, CLASSES))
    assert list(each) == ["dog", "rain"] and rounded(each["dog"]) == (1.0, 1.0, 10.0, 1.0, 0.263889)


def test_a_wrong_class_in_the_same_second_is_one_substitution() -> None:
    # dog is missed and rain is extra in one segment: S = min(1, 1) = 1, D = I = 0, ER = 1 / 1 (in two segments: D and
    # I, ER = 2 / 1). F = 0 / (0 + (1 + 1) / 2) = 0, nothing matched: LE 180, LR 0 / 1, SELD (1 + 1 + 1 + 1) / 4.
    assert rounded(score(second(at("dog", 0)), second(at("rain", 0)))) == (1.0, 0.0, 180.0, 0.0, 1.0)
    apart = score([*second(at("dog", 0)), *second()], [*second(), *second(at("rain", 0))])
    assert apart.er == 2.0


def test_thirty_degrees_off_is_no_hit_but_found() -> None:
    # one sound found 30 deg off: a false positive that stands for nothing missed, I = 1, ER = 1 / 1.
    # since 2022: F = 0 / (0 + 1 off) = 0; LE = 30, LR = 1 / 1, SELD = (1 + 1 + 30/180 + 0) / 4 = 0.541667
    assert rounded(score(second(at("dog", 0)), second(at("dog", 30)))) == (1.0, 0.0, 30.0, 1.0, 0.541667)
    # elevation counts as azimuth does; on the other side of the threshold, at exactly 20 deg, it is a hit
    assert score(second(at("dog", 0)), second(at("dog", 0, 30))).f == 0.0
    assert score(second(at("dog", 0)), second(at("dog", 0, 20))).f == 1.0
    assert score(second(at("dog", 170)), second(at("dog", -170))).f == 1.0  # 20 deg apart behind, not 340
    assert score(second(at("dog", 170)), second(at("dog", -169))).f == 0.0


def test_a_sound_at_the_wrong_place_weighs_half_in_2021() -> None:
    reference = [*second(at("dog", 0)), *second(at("dog", 0))]
    predicted = [*second(at("dog", 0)), *second(at("dog", 90))]
    # 1 hit, 1 off. 2022: F = 1 / (1 + 1) = 1/2. 2021: F = 1 / (1 + 1/2) = 2/3. ER = 1 I / 2 in both.
    assert rounded(score(reference, predicted, edition=DCASE2022))[:2] == (0.5, 0.5)
    assert rounded(score(reference, predicted, edition=DCASE2021))[:2] == (0.5, round(2 / 3, 6))


def test_two_sounds_of_a_class_are_paired_by_the_least_sum_of_angles() -> None:
    # true: 0 and 40 deg; said: 30 and 75 deg. Pairing each true one with its nearest in turn would take 30 for 40
    # (10 deg) and leave 0 with 75: sum 85. 0-30 and 40-75 is 30 + 35 = 65, the least: both off, LE = 65 / 2.
    # references 2, I = 2 (two off), ER = 2 / 2; F = 0 / (0 + 2); LR = 2 / 2.
    reference, predicted = second(at("dog", 0), at("dog", 40)), second(at("dog", 75), at("dog", 30))
    assert rounded(score(reference, predicted))[:4] == (1.0, 0.0, 32.5, 1.0)


def test_more_or_fewer_sounds_of_a_class_than_there_are() -> None:
    one, two = second(at("dog", 0)), second(at("dog", 5), at("dog", 90))
    # one true, two said: 5 deg is paired, a hit; one extra: I = 1, ER = 1 / 1, F = 1 / (1 + 1/2) = 2/3, LE 5, LR 1.
    assert rounded(score(one, two))[:4] == (1.0, round(2 / 3, 6), 5.0, 1.0)
    # two true, one said: a hit and one missed: D = 1, ER = 1 / 2, F = 2/3, LE 5, LR = 1 / 2.
    assert rounded(score(two, one))[:4] == (0.5, round(2 / 3, 6), 5.0, 0.5)


def test_angles_are_averaged_over_the_frames_that_both_have() -> None:
    # the true dog walks: 0 deg for 4 frames, 20 for 4, then silence; 10 deg is said for all ten frames.
    # Common frames are the first 8, each 10 deg off: LE 10, a hit; the two frames more cost nothing in a segment.
    walking = [*second(at("dog", 0), frames=4), *second(at("dog", 20), frames=4), *second(frames=2)]
    assert rounded(score(walking, second(at("dog", 10))))[:4] == (0.0, 1.0, 10.0, 1.0)
    # with 35 deg said: 35 in 4 frames, 15 in 4: mean 25, off, though half of the frames were near
    assert rounded(score(walking, second(at("dog", 35))))[:4] == (1.0, 0.0, 25.0, 1.0)


def test_the_right_class_never_at_the_same_time_is_missed() -> None:
    reference = [*second(at("dog", 0), frames=5), *second(frames=5)]
    predicted = [*second(frames=5), *second(at("dog", 0), frames=5)]
    # no common frame: one missed, nothing extra (as the baselines count): D = 1, ER = 1 / 1, F = 0 / (1/2), LR = 0 / 1
    assert rounded(score(reference, predicted)) == (1.0, 0.0, 180.0, 0.0, 1.0)


def test_a_part_of_a_second_at_the_end_is_a_segment() -> None:
    reference = [*second(at("dog", 0)), *second(at("rain", 0), frames=3)]
    assert seld.count(reference, [[]] * 13, CLASSES).references.tolist() == [1.0, 1.0, 0.0]
    # after the last label a claim still counts: one insertion over two references
    longer = [*reference, *second(frames=7), *second()]
    claims = [*reference, *second(frames=7), *second(at("dog", 0))]
    assert score(longer, claims).er == 0.5


def test_distance_as_in_2024() -> None:
    reference = second(at("dog", 0, distance_m=2.0), frames=4)
    predicted = [
        [at("dog", 0, distance_m=3.0)],  # 1 m, half of the true distance: a hit
        [at("dog", 0, distance_m=4.5)],  # 2.5 m, 1.25 of it: off
        [at("dog", 60, distance_m=2.0)],  # off by its angle
        [],  # missed
    ]
    # frame by frame: references 4, hits 1, off 2, missed 1. F = 1 / (1 + 2 + 1/2) = 2/7. LE = (0 + 0 + 60) / 3 = 20.
    # distance errors 1, 2.5, 0: mean 7/6 m; relative 0.5, 1.25, 0: mean 7/12. LR = 3 / 4. ER = (2 I + 1 D) / 4.
    # SELD of 2024 = (1 - 2/7 + 20/180 + 7/12) / 3 = 0.469577
    found = score(reference, predicted, edition=DCASE2024)
    assert rounded(found) == (0.75, round(2 / 7, 6), 20.0, 0.75, 0.469577)
    assert (found.distance_m, found.relative) == (pytest.approx(7 / 6), pytest.approx(7 / 12))
    # the same by seconds of 2022, where distance is measured but not judged: mean angle 20, a hit
    assert score(reference, predicted).f == 1.0 and score(reference, predicted).distance_m == pytest.approx(7 / 6)
    # exactly the true distance off is still a hit
    assert score(second(at("dog", 0, distance_m=2.0)), second(at("dog", 0, distance_m=4.0)), edition=DCASE2024).f == 1.0


def test_a_class_never_found_in_2024_has_no_angle() -> None:
    reference = [[at("dog", 0, distance_m=1.0), at("rain", 0, distance_m=1.0)]]
    found = score(reference, [[at("dog", 10, distance_m=1.0)]], "macro", DCASE2024)
    # dog: F 1, LE 10, relative 0, SELD (0 + 10/180 + 0) / 3 = 0.018519; rain: F 0, LE and distance unknown, SELD 1 / 1.
    # LE is the mean of what is known, 10; SELD = (0.018519 + 1) / 2 = 0.509259
    assert rounded(found) == (0.5, 0.5, 10.0, 0.5, 0.509259)
    nothing = score(reference, [[]], "micro", DCASE2024)
    assert math.isnan(nothing.le_deg) and math.isnan(nothing.relative) and nothing.f == 0.0 and nothing.seld == 1.0


def test_a_true_sound_of_unknown_distance_is_judged_by_its_angle() -> None:
    found = score(second(at("dog", 0)), second(at("dog", 0, distance_m=9.0)), edition=DCASE2024)
    assert found.f == 1.0 and math.isnan(found.relative)
    with pytest.raises(DataError, match="dcase2024 judges distance, but a sound of class 'dog' was said without it"):
        score(second(at("dog", 0, distance_m=9.0)), second(at("dog", 0)), edition=DCASE2024)


def random_frames(seed: int, frames: int = 60) -> Frames:
    """Scenes of up to two sounds a class, each at its place for a second."""
    rng = np.random.default_rng(seed)
    found: list[list[Heard]] = []
    for _ in range(frames // 10):
        sounds = [
            at(label, float(rng.uniform(-180, 180)), float(rng.uniform(-60, 60)), float(rng.uniform(0.5, 5)))
            for label in CLASSES
            for _ in range(rng.integers(3))
        ]
        found += second(*sounds)
    return found


@pytest.mark.parametrize("edition", [DCASE2021, DCASE2022, DCASE2024])
@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("seed", range(3))
def test_what_always_holds(seed: int, average: seld.Average, edition: seld.Edition) -> None:
    truth, other = random_frames(seed), random_frames(seed + 100)
    perfect = score(truth, truth, average, edition)
    assert perfect == seld.Scores(0.0, 1.0, pytest.approx(0.0, abs=1e-6), 1.0, 0.0, 0.0, pytest.approx(0.0, abs=1e-6))
    # the order of what is said in a frame says nothing
    rng = np.random.default_rng(seed)
    shuffled = [[frame[i] for i in rng.permutation(len(frame))] for frame in other]
    before, after = score(truth, other, average, edition), score(truth, shuffled, average, edition)
    assert after.__dict__ == pytest.approx(before.__dict__, nan_ok=True)
    # nor does turning the whole world, or what the classes are called
    turn = [[[replace(h, azimuth_deg=h.azimuth_deg + 77.0) for h in f] for f in frames] for frames in (truth, other)]
    assert score(*turn, average, edition).__dict__ == pytest.approx(before.__dict__, nan_ok=True, abs=1e-6)
    assert 0 <= before.f <= 1 and 0 <= before.lr <= 1 and before.er >= 0
    # every reference is a hit, off, or missed; every claim a hit, off, or extra
    counts = seld.count(truth, other, CLASSES, edition)
    assert np.array_equal(counts.hits + counts.off + counts.missed, counts.references)
    claims = seld.count(other, other, CLASSES, edition).references
    assert np.array_equal(counts.hits + counts.off + counts.extra, claims)


def test_recordings_add_up_and_the_interval_is_over_them() -> None:
    pairs = [(random_frames(n), random_frames(n + 50)) for n in range(6)]
    parts = [seld.count(true, said, CLASSES) for true, said in pairs]
    whole = seld.count([f for t, _ in pairs for f in t], [f for _, s in pairs for f in s], CLASSES)
    assert seld.scores(seld.total(parts)) == seld.scores(whole)
    spans = seld.interval(parts)
    for name, value in seld.scores(whole).__dict__.items():
        assert spans[name].low <= value <= spans[name].high and spans[name].low < spans[name].high, name
    assert spans == seld.interval(parts)
    assert math.isnan(seld.interval(parts[:1])["f"].low)
    with pytest.raises(DataError, match="same classes"):
        seld.total([])


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(DataError, match="10 frames are labelled, but 3 are said"):
        seld.count(second(), [[]] * 3, CLASSES)
    with pytest.raises(DataError, match="'cat' is none of the classes dog, rain, bell"):
        seld.count(second(at("dog", 0)), second(at("cat", 0)), CLASSES)
    assert math.isnan(score(second(), second(at("dog", 0))).f)  # nothing to find
