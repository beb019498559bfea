"""Result: what one evaluation measured, on what, by what and when; one JSON file each, its items beside it."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from open_elsa.errors import DataError
from open_elsa.evals.metrics import Interval
from open_elsa.scenes.scene_files import write_text, write_whole

#: Version of the file format; a reader refuses another one.
FORMAT = 1

#: Packages whose version can change a number.
_WATCHED = ("open-elsa", "torch", "transformers", "numpy", "scipy", "soxr", "pyroomacoustics")


@dataclass(frozen=True)
class Result:
    """What one task measured on one suite.

    metrics: flat, "direction.accuracy" -> value (shares 0 to 1, errors in the unit of the name); NaN = not measurable.
    n: scenes or clips. intervals: 95 % of some metrics, same keys. protocol: how, in words. model: name and weights'
    sha256. data_revision: hash of the test set. details: JSON-able tables for plots (histograms, confusions, bins).
    items: columns of per-item records, saved as Parquet beside the JSON and not inside it.
    """

    task: str
    suite: str
    metrics: Mapping[str, float]
    n: int
    protocol: str
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    model: Mapping[str, str] = field(default_factory=dict)
    data_revision: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    made_at: str = ""
    command: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    items: Mapping[str, Sequence[Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """File stem: suite and task."""
        return f"{self.suite}.{self.task}"

    def to_json(self) -> str:
        """JSON text with sorted keys; a NaN becomes null."""
        content = {k: v for k, v in asdict(_without_items(self)).items() if k != "items"}
        content["format"] = FORMAT
        return json.dumps(_plain(content), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "result") -> Result:
        """Read what `to_json` wrote; DataError for other text, another format or missing fields."""
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"{source} is not JSON ({error}); run the evaluation again") from error
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise DataError(f"{source} is not a result of format {FORMAT}; run the evaluation again")
        try:
            content["intervals"] = {
                k: Interval(_nan(v["low"]), _nan(v["high"])) for k, v in content["intervals"].items()
            }
            content["metrics"] = {k: _nan(v) for k, v in content["metrics"].items()}
            return cls(**content)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{source} lacks fields of a result ({error}); run the evaluation again") from error

    def save(self, folder: str | Path) -> Path:
        """Write SUITE.TASK.json, and SUITE.TASK.items.parquet when there are items; returns the JSON's path.

        Items go first, and each file appears whole or not at all.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if self.items:
            table = pa.table({k: pa.array(list(v)) for k, v in self.items.items()})
            write_whole(folder / f"{self.name}.items.parquet", lambda path: pq.write_table(table, path))
        path = folder / f"{self.name}.json"
        write_text(path, self.to_json())
        return path


def load_results(folder: str | Path) -> list[Result]:
    """Every result of a folder, sorted by name; DataError if there is none."""
    paths = sorted(Path(folder).glob("*.json"))
    if not paths:
        raise DataError(f"no results in {folder}: run `elsa eval` with this folder as its output first")
    return [Result.from_json(path.read_text(encoding="utf-8"), str(path)) for path in paths]


def load_items(folder: str | Path, name: str) -> dict[str, list[Any]] | None:
    """Columns of the per-item records of result `name` (SUITE.TASK), or None where it saved none."""
    path = Path(folder) / f"{name}.items.parquet"
    return pq.read_table(path).to_pydict() if path.is_file() else None


def versions() -> dict[str, str]:
    """Versions of Python, the machine and every package that can change a number."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in _WATCHED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The present in ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _without_items(result: Result) -> Result:
    return Result(**{**result.__dict__, "items": {}})


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _plain(value: Any) -> Any:
    """JSON-able copy: NumPy scalars and arrays to Python's, NaN and infinity to None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
