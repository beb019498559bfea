"""Numbers for people: units by the names of metrics, and as many digits as a number deserves."""

from __future__ import annotations

import math


def show(value: float, unit: str, *, bare: bool = False) -> str:
    """A number for people: shares as per cent, degrees and milliseconds with as many digits as they deserve."""
    if not math.isfinite(value):
        return "–"
    if unit == "%":
        text, mark = f"{100 * value:.1f}", " %"
    elif unit in ("°", "points"):
        text, mark = f"{value:.1f}", unit if unit == "°" else " points"
    else:
        text, mark = f"{value:.3g}" if value < 100 else f"{value:.0f}", f" {unit}" if unit else ""
    return text if bare else text + mark


def unit_of(metric: str, default: str = "") -> str:
    """Unit of a metric by the end of its name."""
    endings = {"_deg": "°", "_m": "m", "_m2": "m²", "_s": "s", "_ms": "ms", "_db": "dB", "_points": "points"}
    for ending, unit in sorted(endings.items(), key=lambda e: -len(e[0])):
        if metric.endswith(ending):
            return unit
    if metric.rsplit(".", 1)[-1] in ("n", "classes", "captions", "sentences", "ratio"):
        return ""
    shares = (
        *("accuracy", "balanced", "all", "chance", "located", "relative", "picked", "share", "explained"),
        *("f1", "precision", ".recall", "templates"),
    )
    is_share = metric.endswith(shares) or ".recall." in metric or "R@" in metric or "mAP@" in metric
    return "%" if is_share else default
