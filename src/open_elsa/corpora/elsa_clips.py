"""A folder with a clips.csv of freely licensed sounds from many sources, as the shipped model was trained on.

Columns: path, source, licence, seconds, label, title, caption, label_kind (curated or filename), split, fold,
recording, trainable. Labels taken from file names are cleaned by the tables of `labels.py`; clips whose names say
nothing of what they sound like are left out (`unnamed` lists them).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from open_elsa.corpora import base, labels
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.scenes.scene import Clip

TABLE = "clips.csv"
_COLUMNS = ("path", "source", "licence", "seconds", "label", "split")


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield the clips that say what they are; existence is checked here, headers by `check` or when a clip is read."""
    seen: set[str] = set()  # a path that the table names twice is one clip
    for line, row in base.table(root / TABLE, _COLUMNS):
        if row["path"] in seen or (splits is not None and row["split"] not in splits):
            continue
        seen.add(row["path"])
        named = _named(row)
        if named is None:
            continue
        path = root / row["path"]
        if not path.is_file() or path.stat().st_size == 0:
            problems.append(Problem(str(path), f"missing or empty; named in {root / TABLE}, line {line}"))
            continue
        try:
            seconds = float(row["seconds"])
        except ValueError:
            problems.append(Problem(f"{root / TABLE}, line {line}", f"seconds is {row['seconds']!r}, not a number"))
            continue
        yield Clip(
            id=str(PurePosixPath(row["path"]).with_suffix("")).removeprefix("audio/"),
            path=str(path),
            captions=named.captions,
            corpus=row["source"],
            split=row["split"],
            licence=row["licence"],
            duration_s=seconds,
            label=named.label,
            recording=_recording(row),
            trainable=row.get("trainable", "True").lower() == "true",
        )


def unnamed(root: str | Path) -> list[str]:
    """Paths of the rows that are left out because neither label nor caption says what the clip sounds like."""
    return [row["path"] for _, row in base.table(Path(root) / TABLE, _COLUMNS) if _named(row) is None]


def _named(row: dict[str, str]) -> labels.Named | None:
    if row["source"] == "esc50":
        return labels.esc50(row["label"], row.get("title", ""))
    return labels.from_row(row["source"], row["path"], row["label"], row.get("caption", ""))


def _recording(row: dict[str, str]) -> str:
    number = row.get("recording", "")
    return number.removesuffix(".0")  # written as a float by the tool that made the table


CORPUS = Corpus(
    name="elsa_clips",
    licence="each row has its own",
    citation="each source has its own; see the folder's README",
    url="",
    splits=("train", "val", "test"),
    reader=read,
)

#: Whom the model cards thank for each source of the shipped model's clips.
CREDITS: dict[str, str] = {
    "blanket": "Blanket by Rafael Mardojai, authors by sound in its SOUNDS_LICENSING",
    "cdda-cc-sounds": "CDDA-CC-Sounds, a pack for Cataclysm: Dark Days Ahead, credits in each of its folders",
    "deb-0ad": "0 A.D. by Wildfire Games (Debian 0ad-data)",
    "deb-asterisk-en": "Asterisk core sounds, voice of Allison Smith (Debian asterisk-core-sounds-en)",
    "deb-flare": "Flare: Empyrean Campaign (Debian flare-game)",
    "deb-gcompris": "GCompris by the KDE community (Debian gcompris-qt-data)",
    "deb-hydrogen": "drum kits of Hydrogen, credits by kit (Debian hydrogen-drumkits)",
    "deb-lincity": "LinCity-NG (Debian lincity-ng-data)",
    "deb-megaglest": "MegaGlest team (Debian megaglest-data)",
    "deb-micropolis": "Micropolis (Debian micropolis-data)",
    "deb-minetest": "Minetest Game and its contributors (Debian minetest-data)",
    "deb-searchandrescue": "Search and Rescue (Debian searchandrescue-data)",
    "deb-sonic-pi": "samples of Sonic Pi (Debian sonic-pi-samples)",
    "deb-sound-icons": "sound-icons (Debian)",
    "deb-supertuxkart": "SuperTuxKart team (Debian supertuxkart-data)",
    "deb-torcs": "TORCS (Debian torcs-data)",
    "deb-tuxpaint": "stamps of Tux Paint (Debian tuxpaint-stamps-default)",
    "deb-unknown-horizons": "Unknown Horizons team (Debian unknown-horizons)",
    "deb-wesnoth": "The Battle for Wesnoth contributors (Debian wesnoth-data)",
    "deb-widelands": "Widelands development team (Debian widelands-data)",
    "donateacry": "Donate-a-Cry corpus by Gábor Veres",
    "esc50": "ESC-50 by Karol J. Piczak; each clip's Freesound recording stands in training_data.csv",
    "fsdd": "Free Spoken Digit Dataset by Zohar Jackson and others",
    "librosa-data": "example recordings of librosa, credits by file",
    "vctk-p225": "CSTR VCTK Corpus, University of Edinburgh",
}
