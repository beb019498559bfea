"""Work that tests hand to other processes: functions that every one of them can import."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from open_elsa import corpora
from open_elsa.scenes import synthesis
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.cluster import RayCluster
from open_elsa.scenes.engines import Engine
from open_elsa.scenes.synthesis import SceneProgress, SceneRecipe, SceneSet

RATE = 8_000
SCENES, PART_SCENES = 22, 4
RECIPE = SceneRecipe(duration_s=1.0, lead_s=0.2)
SOUNDS = (("dog", 0.4), ("rain", 2.0), ("bell", 0.7))


def hold(folder: str, offset: int) -> tuple[Path, int]:
    """What the tasks below are given."""
    return Path(folder), offset


def add(held: tuple[Path, int], item: int) -> int:
    return held[1] + item


def die_once(held: tuple[Path, int], item: int) -> int:
    """Item 3 ends its process the first time, as the kernel does for want of memory."""
    if item == 3 and _once(held[0] / "died"):
        os.kill(os.getpid(), signal.SIGKILL)
    return held[1] + item


def fail_once(held: tuple[Path, int], item: int) -> int:
    if item == 2 and _once(held[0] / "failed"):
        raise OSError("the network was away")
    return held[1] + item


def fail_always(held: tuple[Path, int], item: int) -> int:
    if item == 2:
        with (held[0] / "tries").open("a") as notes:
            notes.write(".")
        raise ValueError("item two is impossible")
    return held[1] + item


def wait_for_go(held: tuple[Path, int], item: int) -> int:
    _wait(held[0], item)
    return held[1] + item


def part_after_go(maker: Any, part: int) -> Any:
    """Make a part of a set, whose folder is beside the one of the notes."""
    _wait(Path(maker.files.folder).parent / "notes", part)
    return maker.part(part)


def _wait(notes: Path, item: int) -> None:
    """Note on which node an item is being worked on, and end when `go` is there; on a doomed node, never."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    (notes / f"{node}.{item}").touch()
    while not (notes / "go").exists() or (notes / f"doomed-{node}").exists():
        time.sleep(0.02)


def _once(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def make_home(home: Path) -> Path:
    """A folder with clips and a bank, for a set beside them."""
    (home / "clips").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, seconds in SOUNDS:
        soundfile.write(home / "clips" / f"{name}.wav", 0.1 * rng.standard_normal(round(seconds * RATE)), RATE)
    rows = "".join(f"{name}.wav,a {name},{name},{seconds}\n" for name, seconds in SOUNDS)
    (home / "clips" / "captions.csv").write_text("path,caption,label,duration_s\n" + rows)
    make_bank(home / "bank", rooms=2, positions_per_room=3, seed=5, sample_rate=RATE)
    return home


def make(
    home: str | Path, name: str, engine: Engine, progress: synthesis.Progress | None = None, **options: object
) -> SceneSet:
    """The tests' set of scenes, beside the clips and the bank of a home; six parts."""
    synthesis.PART_SCENES = PART_SCENES
    clips = corpora.load(f"{home}/clips").clips
    bank = RoomBank.open(f"{home}/bank")
    settings = {"scenes": SCENES, "seed": 9, "recipe": RECIPE, **options}
    return synthesis.make_scenes(f"{home}/{name}", clips, bank, engine=engine, progress=progress, **settings)  # type: ignore[arg-type]


def make_and_die(home: str, name: str, address: str, after: int) -> None:
    """Make the set on a cluster, and be killed when `after` scenes are done."""

    def die(progress: SceneProgress) -> None:
        if progress.done >= after:
            os.kill(os.getpid(), signal.SIGKILL)

    make(home, name, RayCluster(address), die)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


if __name__ == "__main__":
    make_and_die(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
