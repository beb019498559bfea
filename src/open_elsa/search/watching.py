"""An index kept current while files come, change and go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

from watchfiles import Change
from watchfiles import watch as changes

from open_elsa.scenes.places import Place, is_url
from open_elsa.search.building import BuildReport, update
from open_elsa.search.files import NoSoundError
from open_elsa.search.listening import Progress
from open_elsa.search.window_table import DEFAULT_NAME
from open_elsa.sound.files import SUFFIXES
from open_elsa.using.embedder import Embedder

#: What happens within so long is taken up together, so that a file that is still being copied is read once, at its end.
SETTLE_MS = 2000


def watch(
    folder: str | Path,
    embedder: Embedder,
    *,
    out: Place | None = None,
    convention: str = "auto",
    progress: Progress | None = None,
    stop: Event | None = None,
    settle_ms: int = SETTLE_MS,
) -> Iterator[BuildReport]:
    """Bring the index up to date, then again whenever a sound below the folder changed; yield each report.

    Ends, with the index whole, on Ctrl-C or when `stop` is set. settle_ms: how long no file may change before they are
    read. Raises DataError as `Index.build` does, except that a folder emptied meanwhile is waited for.
    """
    root = Path(folder)
    place = root / DEFAULT_NAME if out is None else out
    store = None if is_url(place) else Path(place).resolve()

    def wanted(_: Change, path: str) -> bool:
        changed = Path(path)
        inside = store is not None and changed.resolve().is_relative_to(store)
        return not inside and (changed.suffix.lower() in SUFFIXES or not changed.is_file())  # folders come and go too

    seen = changes(
        root,
        watch_filter=wanted,
        debounce=4 * settle_ms,
        step=settle_ms,
        stop_event=stop,
        raise_interrupt=False,
        rust_timeout=settle_ms,
        yield_on_timeout=True,
    )
    try:
        yield update(root, embedder, out=place, convention=convention, progress=progress)[1]
        for tick, news in enumerate(seen):
            if tick and not news:
                continue  # the first tick is looked at in any case: it is the watcher that begins only after the build
            try:
                _, report = update(root, embedder, out=place, convention=convention, progress=progress)
            except NoSoundError:
                continue
            if report.added or report.changed or report.moved or report.removed or report.problems:
                yield report
    except KeyboardInterrupt:
        return
