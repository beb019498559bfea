"""The rows of the headline table, with what the project promises of each: a new row is a line in HEADLINE."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """What the project promises of a metric, in the metric's own unit (shares 0 to 1)."""

    value: float
    at_least: bool = False

    def missed(self, value: float) -> bool:
        """True for a value on the wrong side, and for one that isn't a number."""
        return not (value >= self.value if self.at_least else value <= self.value)


@dataclass(frozen=True)
class Row:
    """A line of the headline table: a metric of a result, its bar, and what to hold it against.

    against: (text, result, metric) of numbers in the same unit. n: the metric that counts the cases, "" = the result's.
    known: a number of others that was not measured here, in words.
    """

    what: str
    where: str
    result: str
    metric: str
    unit: str
    bar: Bar | None = None
    against: tuple[tuple[str, str, str], ...] = ()
    n: str = ""
    known: str = ""


_ROOMS = "simulated rooms never trained on"
_BENCH = "benchmark.embed"
_INDEX, _SEARCH, _SERVE, _MAKING = (f"benchmark.{name}" for name in ("index", "search", "serve", "rooms"))
_TRAINED = "benchmark.training_rooms"
_MEASURED = {"MainChurch": "a church", "Vislab": "a studio, up to 90° overhead", "Lab": "a lab in five states"}


def _attribute(name: str, text: str, bar: float, known: str = "") -> Row:
    chance = (("chance", "simulated.zero_shot", f"{name}.chance"),)
    accuracy = f"{name}.accuracy"
    return Row(text, _ROOMS, "simulated.zero_shot", accuracy, "%", Bar(bar, True), chance, f"{name}.n", known)


def _by_hand(result: str, part: str = "") -> tuple[tuple[str, str, str], ...]:
    """The estimators that need no training, on the same scenes."""
    names = {
        "plain intensity": "mean_intensity",
        "intensity in 300-2,500 Hz": "band_intensity",
        "onset-weighted least diffuse bins": "onset_least_diffuse",
    }
    return tuple((text, result, f"{name}{part}.mean_deg") for text, name in names.items())


def _measured(group: str, bar: float) -> Row:
    metric, against = f"direction.{group}", _by_hand("measured.baselines", f".{group}")
    where = f"measured: {_MEASURED[group]}"
    mean, n = f"{metric}.mean_deg", f"{metric}.n"
    return Row("direction, mean error", where, "measured.localization", mean, "°", Bar(bar), against, n)


def _measured_number(name: str, text: str, bar: float) -> Row:
    result, metric = "measured.localization", "mean_relative"
    groups = tuple((what.split(",")[0], result, f"{name}.{group}.{metric}") for group, what in _MEASURED.items())
    against = (("median", result, f"{name}.median_relative"), *groups)
    return Row(text, "measured rooms", result, f"{name}.{metric}", "%", Bar(bar), against, f"{name}.n")


HEADLINE: tuple[Row, ...] = (
    Row(
        "direction, mean error",
        _ROOMS,
        "simulated.localization",
        "direction.mean_deg",
        "°",
        Bar(4.5),
        _by_hand("simulated.baselines"),
        "direction.n",
        "ELSA's paper 15.0° on other, real recordings (TUT 2018)",
    ),
    _attribute("direction", "direction in words, 4-way", 0.98, "ELSA's paper 92.0 % in its own simulated rooms"),
    Row(
        "direction in words, 8-way",
        _ROOMS,
        "eight.eight_way",
        "eight.accuracy",
        "%",
        Bar(0.93, True),
        (("chance", "eight.eight_way", "eight.chance"), ("without gaps", "eight.eight_way", "sectors.accuracy")),
        "eight.n",
    ),
    _attribute("distance", "near or far in words", 0.95),
    _attribute("elevation", "above or below in words", 0.99),
    _attribute("room_size", "small or large room in words", 0.80),
    _attribute("reverberation", "dampened or reverberant in words", 0.98),
    _measured("MainChurch", 9.0),
    _measured("Vislab", 12.0),
    _measured("Lab", 7.0),
    Row(
        "direction in words, 4-way",
        "measured rooms",
        "measured.zero_shot",
        "direction.accuracy",
        "%",
        Bar(0.95, True),
        (("chance", "measured.zero_shot", "direction.chance"),),
        "direction.n",
        "ELSA's paper 35.8 % on 70 recordings of its own",
    ),
    _measured_number("distance", "distance, mean error as a share", 0.35),
    _measured_number("t30", "reverberation time, mean error as a share", 0.25),
    Row(
        "two sources at once: the louder one's direction, mean error",
        _ROOMS,
        "two.two_sources",
        "louder.mean_deg",
        "°",
        Bar(15.0),
        (("median", "two.two_sources", "louder.median_deg"), *_by_hand("two.two_sources")),
        "louder.n",
    ),
    Row(
        "direction exchanged by text vectors: read as the new one",
        _ROOMS,
        "simulated.swap",
        "paper.accuracy",
        "%",
        Bar(0.99, True),
        (("elsa's own way", "simulated.swap", "own.accuracy"),),
        "paper.n",
    ),
    Row(
        "… change of R@10 of what is heard",
        _ROOMS,
        "simulated.swap",
        "paper.change_R@10_points",
        "points",
        Bar(-0.5, True),
        (("elsa's own way", "simulated.swap", "own.change_R@10_points"), ("R@10 before", "simulated.swap", "R@10")),
        "paper.n",
    ),
    Row(
        "what it is, 50-way in words",
        "ESC-50 fold 4, mono",
        "mono.classes",
        "mono.accuracy",
        "%",
        Bar(0.88, True),
        (("chance", "mono.classes", "chance"),),
        "mono.n",
    ),
    Row(
        "what it is: points lost in a room",
        _ROOMS,
        "simulated.classes",
        "lost_points",
        "points",
        Bar(2.0),
        (("mono", "simulated.classes", "mono.accuracy"), ("in rooms", "simulated.classes", "spatial.accuracy")),
        "spatial.n",
    ),
    Row(
        "true spatial facts in captions, F1",
        _ROOMS,
        "simulated.captions",
        "decoder.facts.f1",
        "%",
        Bar(0.90, True),
        (
            ("as described", "simulated.captions", "described.facts.f1"),
            ("template", "simulated.captions", "template.facts.f1"),
        ),
    ),
    Row(
        "sound named in captions",
        _ROOMS,
        "simulated.captions",
        "decoder.what.accuracy",
        "%",
        Bar(0.70, True),
        (
            ("chance", "simulated.captions", "decoder.what.chance"),
            ("template", "simulated.captions", "template.what.accuracy"),
        ),
    ),
    Row(
        "caption to sound, R@10",
        _ROOMS,
        "simulated.retrieval",
        "t2a.R@10",
        "%",
        None,
        (("R@1", "simulated.retrieval", "t2a.R@1"), ("R@5", "simulated.retrieval", "t2a.R@5")),
        "captions",
    ),
    Row(
        "direction, mean error that our rooms save over order-10 image sources",
        "measured rooms, two short trainings",
        _TRAINED,
        "gain.direction.mean_deg",
        "°",
        Bar(0.0, True),
        (("ours", _TRAINED, "ours.direction.mean_deg"), ("image sources", _TRAINED, "images.direction.mean_deg")),
        "direction.n",
    ),
    Row("load and first embedding", "CPU, new process", _BENCH, "first_embedding_s", "s", Bar(5.0), n="processes"),
    Row(
        "10 s of ambisonics embedded",
        "CPU",
        _BENCH,
        "embed_ms",
        "ms",
        Bar(60.0),
        (("ClapModel's audio tower", _BENCH, "clap_ms"),),
    ),
    Row("… as a share of ClapModel's time", "CPU, same clip, interleaved", _BENCH, "clap_ratio", ""),
    Row("front end of 10 s of ambisonics", "CPU, one core", _BENCH, "front_end_ms", "ms", Bar(20.0)),
    Row(
        "same recording, largest difference", "new processes", _BENCH, "repeat_difference", "", Bar(0.0), n="processes"
    ),
    Row("alone or in a batch of 32", "largest difference", _BENCH, "batch_difference", "", Bar(1e-5), n="batch"),
    Row(
        "one hour of 48 kHz ambisonics indexed, against real time",
        "CPU, one file of an hour",
        _INDEX,
        "long_times_real_time",
        "times",
        Bar(150.0, True),
        (("sixty files of a minute", _INDEX, "files_times_real_time"),),
    ),
    Row("… memory at most", "the same", _INDEX, "long_mib", "MiB", Bar(1500.0)),
    Row("many sounds embedded, against ClapModel", "CPU, same clips", _INDEX, "times_clap", "times", Bar(4.0, True)),
    Row(
        "search with a filter, 95th percentile",
        "1,000,000 drawn vectors",
        _SEARCH,
        "approximate_filtered_p95_ms_1000000",
        "ms",
        Bar(30.0),
    ),
    Row("… recall@10", "the same", _SEARCH, "approximate_filtered_recall_1000000", "%", Bar(0.98, True)),
    Row("from a sentence to hits, 95th percentile", "10,000 windows", _SEARCH, "text_p95_ms_10000", "ms", Bar(60.0)),
    Row(
        "failed answers of the service",
        "32 clients for 60 s",
        _SERVE,
        "load_errors",
        "",
        Bar(0.0),
        (("answers a second", _SERVE, "load_per_second"), ("one client", _SERVE, "alone_per_second")),
        "load_requests",
    ),
    Row(
        "scenes decoded, simulated and rendered",
        "hours an hour of one core",
        _MAKING,
        "hours_per_core_hour",
        "h",
        Bar(350.0, True),
        (("written as FLAC (bar 200)", _MAKING, "hours_per_core_hour_flac"),),
    ),
)
