from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import numpy as np

from open_elsa.search.index import BuildReport, Index
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
