"""Many sounds at once give what each alone gives, on any number of threads, and leave no thread behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from open_elsa.errors import AudioError
from open_elsa.sound import foa
from open_elsa.using.embedder import Embedder
from open_elsa.using.pieces import pieces
from open_elsa.using.streaming import stream

Sine = Callable[..., np.ndarray]


def sounds(sine: Sine) -> list[tuple[np.ndarray, int]]:
    lengths = [0.7, 5.3, 2.0, 9.1, 0.7, 3.0, 12.4, 2.0]
    return [(foa.encode(sine(300 + 200 * i, s), 30 * i), 16000) for i, s in enumerate(lengths)]


def ours() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith(("elsa-read", "elsa-compute"))]


@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_says_the_same(embedder: Embedder, sine: Sine, workers: int) -> None:
    alone = dict(embedder.stream(sounds(sine)))
    together = dict(embedder.stream(sounds(sine), workers=workers))
    assert together.keys() == alone.keys()
    for i, windows in alone.items():
        assert [(w.start_s, w.end_s) for w in together[i]] == [(w.start_s, w.end_s) for w in windows]
        for ours_, theirs in zip(together[i], windows, strict=True):
            np.testing.assert_allclose(ours_.embedding, theirs.embedding, atol=1e-5)
            assert ours_.location.azimuth_deg == pytest.approx(theirs.location.azimuth_deg, abs=1e-3)
    assert not ours()


def test_threads_that_begin_later_compute_with_as_many_as_before(embedder: Embedder, sine: Sine) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        list(embedder.stream(sounds(sine), workers=2))
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [1, 3])
def test_what_cannot_be_used_is_told_and_the_rest_goes_on(
    embedder: Embedder, sine: Sine, workers: int, tmp_path: Path
) -> None:
    items: list = sounds(sine)
    broken = items[3][0].copy()
    broken[:, -1] = np.nan  # only the last of its windows is bad: what the others gave must be forgotten
    items[3] = tmp_path / "broken.wav"
    soundfile.write(items[3], broken.T, 16000, subtype="FLOAT")
    refused: list[tuple[int, str]] = []
    found = dict(embedder.stream(items, on_error=lambda i, e: refused.append((i, str(e))), workers=workers))
    assert [i for i, _ in refused] == [3] and "NaN" in refused[0][1]
    assert sorted(found) == [0, 1, 2, 4, 5, 6, 7] and len(found[6]) == 12
    with pytest.raises(AudioError, match="NaN"):
        list(embedder.stream(items, workers=workers))
    assert not ours()


def test_who_stops_listening_leaves_no_thread(embedder: Embedder, sine: Sine) -> None:
    def endless() -> Iterator[tuple[np.ndarray, int]]:
        while True:
            yield foa.encode(sine(400, 2.0), 90), 16000

    going = embedder.stream(endless(), workers=2)
    assert len(next(going)[1]) == 1
    going.close()
    assert not ours()


def test_errors_of_the_model_and_of_the_list_of_sounds_come_through(embedder: Embedder, sine: Sine) -> None:
    def wrong(batch: object) -> list:
        raise RuntimeError("the model broke")

    cut = partial(pieces, config=embedder.config, sample_rate=embedder.sample_rate)
    with pytest.raises(RuntimeError, match="the model broke"):
        list(stream(sounds(sine), cut, wrong, batch_size=2, workers=2, on_error=None))

    def ends_badly() -> Iterator[tuple[np.ndarray, int]]:
        yield sounds(sine)[0]
        raise OSError("the list broke")

    with pytest.raises(OSError, match="the list broke"):
        list(embedder.stream(ends_badly(), workers=2))
    assert not ours()


def test_few_windows_are_held_however_long_a_sound_is(embedder: Embedder, sine: Sine, tmp_path: Path) -> None:
    """Reading waits for computing: what was cut and not yet computed stays below a bound."""
    cut_so_far, computed, most = 0, 0, 0
    lock = threading.Lock()

    def cut(sound: object) -> Iterator[object]:
        nonlocal cut_so_far, most
        for piece in pieces(sound, embedder.config, embedder.sample_rate):  # type: ignore[arg-type]
            with lock:
                cut_so_far += 1
                most = max(most, cut_so_far - computed)
            yield piece

    def encode(batch: list) -> list:
        nonlocal computed
        found = embedder._encode(batch)
        with lock:
            computed += len(batch)
        return found

    long = (foa.encode(sine(400, 200.0), 90), 16000)
    ((_, windows),) = stream([long], cut, encode, batch_size=4, workers=2, on_error=None)  # type: ignore[arg-type]
    assert len(windows) == 199 and most <= 4 * 4 + 4 * (2 + 1) + 4 + 1
