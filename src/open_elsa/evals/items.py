"""The kinds of test sets: scenes, scenes turned about the vertical, and clips alone, rendered one sound at a time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from open_elsa.evals.observe import QUANTITIES, EvalItem
from open_elsa.scenes.attributes import EIGHT, words_for, wrapped
from open_elsa.scenes.scene import Clip, SpatialWords
from open_elsa.scenes.synthesis import SceneSet
from open_elsa.sound import audio, foa

#: Measured rooms that are one room in several states are reported together under the first word of their names.
_FAMILY = re.compile(r"^(Lab)(\d+|RB?)$")
Split = Literal["test", "val"]


@dataclass(frozen=True)
class SceneItems:
    """A scene set as test items, rendered one at a time.

    family: groups measured rooms for reporting. about: how the set is made.
    """

    scenes: SceneSet
    name: str
    family: bool = False
    about: str = ""

    @property
    def revision(self) -> str:
        """Hash of every scene's id, clips and room responses."""
        digest = hashlib.sha256(str(self.scenes.manifest["bank"]).encode())
        for i in range(len(self)):
            digest.update(self.scenes[i].id.encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.scenes)

    def clips(self) -> list[Clip]:
        """The clips that are heard in the scenes, of several sources the loudest, by id."""
        used = {self.scenes[i].clip_id for i in range(len(self))}
        return [clip for key, clip in sorted(self.scenes.clips.items()) if key in used]

    def items(self) -> Iterator[EvalItem]:
        """Render scene after scene."""
        for i in range(len(self)):
            truth, scene = self.scenes.truth(i), self.scenes[i]
            room, clip = str(truth["room_id"]), self.scenes.clip(scene)
            yield EvalItem(
                id=str(truth["id"]),
                samples=self.scenes.render(i),
                sample_rate=self.scenes.sample_rate,
                clip_id=clip.id,
                label=str(truth["label"]),
                captions=scene.captions,
                plain=clip.captions,
                truth={q: truth[q] for q in QUANTITIES},
                words=SpatialWords(**truth["words"]),
                place=str(truth["response_id"]),
                group=family(room) if self.family else "",
                room=family(room) if self.family else room,
                recording=clip.recording,
                more=_of_two(truth.get("sources") or ()),
            )


def _of_two(sources: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """How far the louder of two sources lies above the other, and where that is; nothing for other scenes."""
    if len(sources) != 2 or any(source["moves"] for source in sources):
        return {}
    other = sources[1]
    return {"other_below_db": other["snr_db"], **{f"other_{k}": other[k] for k in ("azimuth_deg", "elevation_deg")}}


@dataclass(frozen=True)
class TurnedItems:
    """Scenes turned about the vertical, so that their azimuths go evenly round the circle.

    Captions are left out, as they tell of the old direction. about: how the set is made.
    """

    scenes: SceneItems
    name: str
    seed: int
    about: str = ""

    @property
    def revision(self) -> str:
        """Hash of the scenes and of how each is turned."""
        turned = np.round(self.azimuths_deg(), 6).tolist()
        return hashlib.sha256(f"{self.scenes.revision} {turned}".encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.scenes)

    def azimuths_deg(self) -> NDArray[np.float64]:
        """Azimuth (n,) that each scene is turned to: each of the eight sectors once in every eight scenes."""
        rng = np.random.default_rng([self.seed, 8])
        rounds = -(-len(self) // len(EIGHT.classes))
        sectors = np.concatenate([rng.permutation(len(EIGHT.classes)) for _ in range(rounds)])[: len(self)]
        width = 360.0 / len(EIGHT.classes)
        return sectors * width + rng.uniform(-0.5 * width, 0.5 * width, len(self))

    def items(self) -> Iterator[EvalItem]:
        """Render scene after scene and turn it."""
        for item, azimuth in zip(self.scenes.items(), self.azimuths_deg(), strict=True):
            azimuth_deg = wrapped(float(azimuth))
            yaw_deg = float(azimuth) - float(item.truth["azimuth_deg"] or 0.0)
            truth = {**item.truth, "azimuth_deg": azimuth_deg}
            yield replace(
                item,
                samples=foa.rotate(item.samples, foa.rotation_matrix(yaw_deg)),
                truth=truth,
                words=words_for(
                    azimuth_deg, *(truth[k] for k in ("elevation_deg", "distance_m", "floor_area_m2", "t30_s"))
                ),
                captions=(),
            )


@dataclass(frozen=True)
class MonoItems:
    """Clips alone, as mono sounds at their own rate; what comes after max_s is not heard."""

    clips: Sequence[Clip]
    name: str = "mono"
    max_s: float = 30.0
    split: Split = "test"

    @property
    def about(self) -> str:
        """How the set is made."""
        return f"{len(self)} {self.split} clips alone, mono at their own rate, the first {self.max_s:g} s of each."

    @property
    def revision(self) -> str:
        """Hash of the clips' ids, labels and durations."""
        rows = sorted(f"{c.id} {c.label} {c.duration_s:.3f}" for c in self.clips)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.clips)

    def items(self) -> Iterator[EvalItem]:
        """Read clip after clip."""
        for clip in self.clips:
            sound = audio.read(clip.path, duration_s=self.max_s)
            yield EvalItem(
                id=clip.id,
                samples=sound.w[None, :],
                sample_rate=sound.sample_rate,
                clip_id=clip.id,
                label=clip.label,
                captions=clip.captions,
            )


def family(room_id: str) -> str:
    """The name under which a measured room is reported: "Lab075" -> "Lab", "Vislab" -> "Vislab"."""
    found = _FAMILY.match(room_id)
    return found.group(1) if found else room_id
