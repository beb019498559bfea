from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread, Timer

import numpy as np

from open_elsa.search.building import BuildReport
from open_elsa.search.index import Index
from open_elsa.search.watching import watch
from open_elsa.sound import audio
from open_elsa.using.embedder import Embedder


def test_files_that_come_and_go_are_taken_up(folder: Path, embedder: Embedder, sine: Callable[..., np.ndarray]) -> None:
    stop, first, news = Event(), Event(), Event()
    reports: list[BuildReport] = []

    def follow() -> None:
        for report in watch(folder, embedder, stop=stop, settle_ms=50):
            reports.append(report)
            (first if len(reports) == 1 else news).set()

    thread = Thread(target=follow)
    thread.start()
    try:
        assert first.wait(60) and reports[0].added == 3
        audio.write(folder / "new.wav", sine(400, 1.0)[None], 16000)  # also what comes before the watcher has begun
        assert news.wait(60)
        assert reports[1].added == 1 and reports[1].unchanged == 3
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert "new.wav" in Index.open(folder, embedder).files


def test_an_emptied_folder_is_waited_for(tmp_path: Path, embedder: Embedder, sine: Callable[..., np.ndarray]) -> None:
    only, stop = tmp_path / "only.wav", Event()
    audio.write(only, sine(400, 1.0)[None], 16000)
    reports = watch(tmp_path, embedder, stop=stop, settle_ms=50)
    assert next(reports).added == 1
    only.unlink()
    later = Timer(0.5, lambda: audio.write(tmp_path / "next.wav", sine(600, 1.0)[None], 16000))
    giving_up = Timer(60, stop.set)
    later.start()
    giving_up.start()
    try:
        report = next(reports)  # the empty folder in between is no news and no error
    finally:
        stop.set()
        giving_up.cancel()
        later.join()
    assert report.added == 1 and report.removed <= 1
    assert Index.open(tmp_path, embedder).files == ["next.wav"]
