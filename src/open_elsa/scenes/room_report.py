"""The report of a check of rooms: numbers room by room, and checks that pass or miss a stated bar."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.scenes.room_measures import DirectSound, Tail

Float64 = NDArray[np.float64]

#: Version of report.json; a reader refuses another one.
FORMAT = 1

#: How a check makes one number of many rooms; what `low` and `high` are then.
SPREADS = {
    "worst": "5th to 95th percentile of the rooms",
    "count": "",
    "mean": "95 % of the mean",
    "bias": "95 % of the mean",
    "percentile": "median to worst of the rooms",
    "ratio": "95 % of the ratio",
}


@dataclass(frozen=True)
class Reference:
    """What full image sources give for a place: T30 in full band, DRR, C50, and DRR by third octave (20,)."""

    t30_s: float
    drr_db: float
    c50_db: float
    drr_bands_db: tuple[float, ...]


@dataclass(frozen=True)
class RoomNumbers:
    """What was measured of one response.

    problem: why it isn't whole, "" where it is. repeats: whether a second run gave the same bytes, None if not tried.
    t30_wanted_s: full-band T30 of the ideal decay; octave_ratios: T30 over target by octave (8,). direct: the direct
    sound with walls that reflect nothing; live: the same in the room itself, before the first echo. drr_*, c50_*:
    measured, and by diffuse-field theory. late_db: level over theory by third octave (20,). tail, noise: the tail, and
    Gaussian noise of the same decay. shares_wanted: expected energy of Y, Z, X over W; the tail and these lie along the
    room's axes, whichever way the array looks. recorded_*: what the response carries less what is measured of it.
    """

    room_id: str
    size_m: tuple[float, float, float]
    distance_m: float
    t30_wanted_s: float
    problem: str = ""
    repeats: bool | None = None
    t30_s: float = math.nan
    octave_ratios: tuple[float, ...] = ()
    direct: DirectSound | None = None
    live: DirectSound | None = None
    drr_db: float = math.nan
    drr_theory_db: float = math.nan
    c50_db: float = math.nan
    c50_theory_db: float = math.nan
    drr_bands_db: tuple[float, ...] = ()
    late_db: tuple[float, ...] = ()
    tail: Tail | None = None
    noise: Tail | None = None
    shares_wanted: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    recorded_t30: float = math.nan
    recorded_drr_db: float = math.nan
    reference: Reference | None = None

    @property
    def floor_area_m2(self) -> float:
        """Floor area in square metres."""
        return self.size_m[0] * self.size_m[1]


@dataclass(frozen=True)
class Check:
    """One check: its value must be at most the bar.

    statistic: a key of `SPREADS`, which says what low and high are. n: rooms it was measured on; with none it is
    neither passed nor missed. A value that is not a number is missed.
    """

    name: str
    meaning: str
    unit: str
    bar: float
    value: float
    low: float
    high: float
    statistic: str
    n: int

    @property
    def passed(self) -> bool | None:
        """Whether the value keeps the bar; None where no room could be measured.

        What is averaged against chance or theory (ratio, bias) misses only when its whole interval does: few rooms
        scatter more, and must not be blamed for it.
        """
        if self.n == 0:
            return None
        nearest = self.value
        if self.statistic in ("ratio", "bias"):
            nearest = 0.0 if self.low <= 0.0 <= self.high else min(abs(self.low), abs(self.high), self.value)
        return bool(nearest <= self.bar)

    @property
    def spread(self) -> str:
        """What `low` and `high` are."""
        return SPREADS[self.statistic]


@dataclass(frozen=True)
class RoomReport:
    """Checks over many rooms, the numbers they were made from, and where they come from.

    subject: the simulator's name, or the bank's. comparisons: numbers of other simulators on the first of the same
    rooms. made_at, machine, versions, seconds, command: provenance, "" or 0 where unknown.
    """

    subject: str
    seed: int
    sample_rate: int
    checks: tuple[Check, ...]
    rooms: tuple[RoomNumbers, ...] = field(repr=False)
    comparisons: Mapping[str, tuple[RoomNumbers, ...]] = field(default_factory=dict, repr=False)
    made_at: str = field(default="", compare=False)
    machine: str = field(default="", compare=False)
    command: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)
    versions: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def passed(self) -> bool:
        """Whether no check missed its bar, and at least one was measured."""
        outcomes = [check.passed for check in self.checks]
        return True in outcomes and False not in outcomes

    @property
    def missed(self) -> tuple[Check, ...]:
        """The checks that missed their bar."""
        return tuple(check for check in self.checks if check.passed is False)

    def check(self, name: str) -> Check:
        """A check by its name; raises DataError for one that this report lacks."""
        for check in self.checks:
            if check.name == name:
                return check
        raise DataError(f"no check {name!r} in this report; it has {', '.join(c.name for c in self.checks)}")


def to_json(reports: Sequence[RoomReport]) -> str:
    """Reports as JSON text of `FORMAT`; a NaN becomes null."""
    content = [
        {**asdict(r), "checks": [{**asdict(c), "passed": c.passed} for c in r.checks], "passed": r.passed}
        for r in reports
    ]
    return json.dumps(_plain({"format": FORMAT, "reports": content}), indent=1, allow_nan=False) + "\n"


def from_json(text: str, source: str = "report.json") -> list[RoomReport]:
    """Read what `to_json` wrote; DataError for other text, another format or missing fields."""
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise DataError(f"{source} is no room report of format {FORMAT}; run `elsa rooms check` again")
        return [_report_of(r) for r in content["reports"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{source} is no room report ({error}); run `elsa rooms check` again") from error


def _report_of(content: dict[str, Any]) -> RoomReport:
    values = {k: v for k, v in content.items() if k != "passed"}
    values["checks"] = tuple(
        Check(**_numbers({k: v for k, v in c.items() if k != "passed"})) for c in content["checks"]
    )
    values["rooms"] = tuple(_room_of(r) for r in content["rooms"])
    values["comparisons"] = {k: tuple(_room_of(r) for r in v) for k, v in content["comparisons"].items()}
    return RoomReport(**values)


_PARTS: Mapping[str, type] = {
    "direct": DirectSound,
    "live": DirectSound,
    "tail": Tail,
    "noise": Tail,
    "reference": Reference,
}


def _room_of(content: dict[str, Any]) -> RoomNumbers:
    parts = {k: None if content[k] is None else t(**_numbers(content[k])) for k, t in _PARTS.items()}
    repeats = {"repeats": content["repeats"]}
    return RoomNumbers(**{**_numbers({k: v for k, v in content.items() if k not in _PARTS}), **parts, **repeats})


def _numbers(content: dict[str, Any]) -> dict[str, Any]:
    """Fields with NaN for null and tuples for lists."""
    nan = math.nan
    return {
        k: nan if v is None else tuple(nan if x is None else x for x in v) if isinstance(v, list) else v
        for k, v in content.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# -- one number of many ----------------------------------------------------------------------------------------------


def judge(
    name: str,
    meaning: str,
    unit: str,
    bar: float,
    statistic: str,
    values: Sequence[float] | Float64,
    against: Sequence[float] | Float64 | None = None,
) -> Check:
    """Make a check from a number a room (n,); `against` (n,) holds the denominators of a ratio.

    worst: the largest magnitude. percentile: the 95th of magnitudes. mean: their mean. bias: magnitude of the mean.
    ratio: mean over mean. count: how many are not zero.
    """
    v = np.asarray(values, dtype=np.float64)
    value = low = high = math.nan
    if v.size and np.isfinite(v).all():
        if statistic == "count":
            value, low, high = float(np.count_nonzero(v)), math.nan, math.nan
        elif statistic == "ratio":
            w = np.asarray(against, dtype=np.float64)
            value = float(v.mean() / w.mean())
            low, high = _bootstrap(v.size, lambda i: v[i].mean(axis=1) / w[i].mean(axis=1))
        elif statistic == "bias":
            value = abs(float(v.mean()))
            low, high = _bootstrap(v.size, lambda i: v[i].mean(axis=1))
        else:
            v = np.abs(v)
            if statistic == "worst":
                value, (low, high) = float(v.max()), np.percentile(v, (5, 95))
            elif statistic == "percentile":
                value, low, high = float(np.percentile(v, 95)), float(np.median(v)), float(v.max())
            elif statistic == "mean":
                value = float(v.mean())
                low, high = _bootstrap(v.size, lambda i: v[i].mean(axis=1))
            else:
                raise DataError(f"no statistic {statistic!r}: use {', '.join(SPREADS)}")
    return Check(name, meaning, unit, bar, value, float(low), float(high), statistic, int(v.size))


def _bootstrap(n: int, of: Callable[[NDArray[np.int64]], Float64]) -> tuple[float, float]:
    """A 95 % interval from 1000 resamples of the rooms, the same for the same numbers."""
    drawn = np.random.default_rng(0).integers(n, size=(1000, n))
    low, high = np.percentile(of(drawn), (2.5, 97.5))
    return float(low), float(high)
