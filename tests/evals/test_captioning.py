"""Facts read back from captions, counted on cases worked out by hand; the class of a naming; the CSV of aac-metrics."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from eval_fakes import FakeSet, Perfect, spatial_items
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import captioning, metrics
from open_elsa.evals.captioning import classes_of, fact_counts, what_of, write_predictions
from open_elsa.evals.observe import Observations, observe
from open_elsa.scenes.captions import parse
from open_elsa.scenes.scene import SpatialWords
from open_elsa.using import captioner
from open_elsa.using.captioner import Proposal
from open_elsa.using.embedder import Embedder

LEFT_FAR = {"azimuth_deg": 90.0, "elevation_deg": 0.0, "distance_m": 3.0, "floor_area_m2": 20.0, "t30_s": math.nan}
BETWEEN = {"azimuth_deg": 45.0, "elevation_deg": 60.0, "distance_m": 1.5, "floor_area_m2": 150.0, "t30_s": 1.5}


def counted(caption: str, truth: dict[str, float]) -> dict[str, list[float]]:
    return {name: rows[0].tolist() for name, rows in fact_counts([parse(caption)], [truth]).items()}


def test_facts_on_captions_made_by_hand() -> None:
    found = counted("A dog barks far away on my left, in a large, echoing hall.", LEFT_FAR)
    assert found["direction"] == [1, 1, 1] and found["distance"] == [1, 1, 1]
    assert found["elevation"] == [0, 0, 0], "neither said nor there"
    assert found["room_size"] == [0, 1, 1], "the room is small"
    assert found["reverberation"] == [0, 0, 0], "nobody knows it, so nothing said of it counts"
    found = counted("A dog barks on the left, far away, in a room.", BETWEEN)
    assert found["direction"] == [0, 1, 0], "between two words no word is true"
    assert found["distance"] == [0, 1, 0] and found["elevation"] == [0, 0, 1] and found["room_size"] == [0, 0, 1]
    total = np.sum(list(fact_counts([parse("a dog on the left")] * 2, [LEFT_FAR, BETWEEN]).values()), axis=0)
    assert total.tolist() == [[1, 1, 3], [0, 1, 3]]


def test_ratio_interval() -> None:
    parts, wholes = np.array([2.0, 2, 0, 2]), np.array([2.0, 2, 2, 2])
    found = metrics.ratio_interval(parts, wholes)
    assert found.low < 0.75 < found.high <= 1.0 and found == metrics.ratio_interval(parts, wholes)
    one = metrics.ratio_interval(parts, wholes, groups=["a", "a", "a", "a"])
    assert one.low == one.high == 0.75, "one group is drawn whole every time"
    assert math.isnan(metrics.ratio_interval([], []).low) and math.isnan(metrics.ratio_interval([0.0], [0.0]).low)
    with pytest.raises(DataError):
        metrics.ratio_interval([1.0], [1.0, 2.0])


def test_what_a_caption_names() -> None:
    assert what_of("I hear the sound of a dog barking on the left, in a large hall.") == "dog barking"
    assert what_of('The sound "church bells" is heard behind me.') == "church bells"
    assert what_of("Something is heard far away.") is None
    labels = ["church bells", "clock tick", "dog", "rain"]
    said = ["dog barking", "bells tolling", "pouring rain", "hound", "ticking of a watch", None]
    assert classes_of(said, labels) == ["dog", "church bells", "rain", "dog", "clock tick", None]
    assert classes_of([None], labels) == [None]


class Listener(Embedder):
    """`Perfect` as an Embedder, with the two things that captions need of one."""

    def __init__(self, perfect: Perfect) -> None:
        self.perfect, self.folder = perfect, None

    @property
    def name(self) -> str:
        return "perfect"

    @property
    def weights_sha256(self) -> str:
        return "00ff"

    def analyse(self, sounds: Sequence[object], /) -> list[SimpleNamespace]:  # type: ignore[override]
        return self.perfect.analyse(sounds)  # type: ignore[arg-type]

    def embed_text(self, texts: Sequence[str], /) -> NDArray[np.float32]:  # type: ignore[override]
        return self.perfect.embed_text(texts)


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener(Perfect(spatial_items()))


@pytest.fixture(scope="module")
def seen(listener: Listener) -> Observations:
    return observe(listener, FakeSet(listener.perfect.rows))


def writer(embedder: Listener, texts: Sequence[Sequence[str]]) -> SimpleNamespace:
    """A captioner that proposes these sentences, one row an item."""
    rows = [[Proposal(text, parse(text), 1.0 - k / 10) for k, text in enumerate(row)] for row in texts]
    return SimpleNamespace(embedder=embedder, propose=lambda vectors: rows)


def side(words: SpatialWords) -> str:
    return {"front": "in front of me", "back": "behind me"}.get(str(words.direction), f"on the {words.direction}")


def test_perfect_captions_and_wrong_ones(
    listener: Listener, seen: Observations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First proposals say "on the left" of everything; the second is true, so `described` takes it."""
    true = [f"{label} {side(words)}" for label, words in zip(seen.labels, seen.words, strict=True)]
    texts = [["a dog on the left", text] for text in true]
    monkeypatch.setattr(captioner, "of", lambda embedder: writer(listener, texts))
    result = captioning.run(listener, seen, tmp_path)
    numbers = result.metrics
    assert numbers["decoder.direction.precision"] == numbers["decoder.direction.recall"] == pytest.approx(1 / 4)
    assert numbers["described.direction.f1"] == 1.0 and numbers["described.templates"] == 0.0
    assert numbers["described.facts.precision"] == 1.0 and numbers["described.facts.recall"] == pytest.approx(1 / 5)
    assert numbers["described.facts.f1"] == pytest.approx(2 / 6)
    assert numbers["template.facts.f1"] == 1.0, "its numbers are perfect, and the template says them all"
    assert numbers["decoder.what.accuracy"] == pytest.approx(1 / 3)
    assert numbers["described.what.accuracy"] == pytest.approx(5 / 6), "on the left the dog is taken, mostly wrongly"
    assert numbers["decoder.what.chance"] == pytest.approx(1 / 3) and numbers["decoder.distinct"] == 1
    assert numbers["decoder.A.facts.f1"] != numbers["decoder.B.facts.f1"], "fronts and rights, lefts and backs"
    low, high = (getattr(result.intervals["decoder.direction.f1"], k) for k in ("low", "high"))
    assert low < 1 / 4 < high
    assert result.items["decoder_class"][0] == "dog" and result.name == "fake.captions"
    assert (tmp_path / "fake.captions.csv").is_file()


def test_no_true_proposal_means_the_template(
    listener: Listener, seen: Observations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captioner, "of", lambda embedder: writer(listener, [["a dog on the left"]] * len(seen)))
    numbers = captioning.run(listener, seen).metrics
    assert numbers["described.templates"] == pytest.approx(3 / 4)
    assert numbers["described.facts.precision"] == 1.0 > numbers["decoder.facts.precision"]


def test_a_model_without_a_captioner_says_so(listener: Listener, seen: Observations) -> None:
    with pytest.raises(DataError, match="elsa captions train"):
        captioning.run(listener, seen)
    with pytest.raises(DataError, match="elsa captions train"):
        captioning.run(listener.perfect, seen)


def test_the_csv_is_what_aac_metrics_reads(seen: Observations, tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "p.csv", seen, [f'caption, "{i}"' for i in range(len(seen))])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file_name", "caption_predicted", "caption_1", "caption_2"] and len(rows) == len(seen)
    assert rows[1]["caption_predicted"] == 'caption, "1"' and rows[1]["caption_2"] == seen.captions[1][1]
    assert rows[1]["file_name"] == "s1.wav"
    with pytest.raises(DataError, match="without captions"):
        write_predictions(tmp_path / "q.csv", replace(seen, captions=[()] * len(seen)), [""] * len(seen))
