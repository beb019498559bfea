"""What is asked of the service and what it answers, as JSON; units are in the names, as everywhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from open_elsa.search.queries import About

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Bounds = tuple[Number | None, Number | None]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TextsToEmbed(_Asked):
    """Sentences to embed."""

    texts: list[Text] = Field(min_length=1, max_length=256)


class Row(_Asked):
    """A window of the collection: the one of a file that starts nearest to start_s."""

    file: str
    start_s: Number = 0.0


class SearchQuestion(_Asked):
    """What to look for: exactly one of text, vector and like; ranges leave out mono files, whose place nobody knows."""

    text: Text | None = None
    vector: list[Number] | None = Field(default=None, max_length=8192)
    like: Row | None = None
    minus: Text | None = None
    move_to: Text | Number | None = None
    about: About = "both"
    k: int = Field(10, ge=1, le=1000)
    azimuth_deg: tuple[Number, Number] | None = None
    elevation_deg: Bounds | None = None
    distance_m: Bounds | None = None
    floor_area_m2: Bounds | None = None
    t30_s: Bounds | None = None
    spatial: bool | None = None
    tags: list[Text] | None = Field(default=None, max_length=64)

    def filters(self) -> dict[str, Any]:
        """The ranges, as `Index.search` takes them."""
        names = ("azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2", "t30_s", "spatial", "tags")
        return {name: getattr(self, name) for name in names}


class TextEmbeddings(BaseModel):
    """Unit vectors of texts, in their order."""

    model: str
    embeddings: list[list[float]]


class WindowEmbedding(BaseModel):
    """The unit vector of one window."""

    start_s: float
    end_s: float
    embedding: list[float]


class AudioEmbedding(BaseModel):
    """The unit vector of a whole sound, and those of its windows."""

    model: str
    embedding: list[float]
    windows: list[WindowEmbedding]


class HitFound(BaseModel):
    """One window found; place and room are what the model hears, null where it cannot know."""

    file: str
    start_s: float
    end_s: float
    score: float
    probability: float | None
    azimuth_deg: float | None
    elevation_deg: float | None
    distance_m: float | None
    floor_area_m2: float | None
    t30_s: float | None
    is_spatial: bool
    tags: list[str]


class Found(BaseModel):
    """Hits, best first, and how long they took."""

    hits: list[HitFound]
    seconds: float


class IndexSize(BaseModel):
    """How large the collection is."""

    files: int
    windows: int


class Health(BaseModel):
    """What is running."""

    status: Literal["ok"]
    model: str
    weights_sha256: str
    index: IndexSize | None
    version: str


class Peaks(BaseModel):
    """The least and greatest value of W in stretches of equal length."""

    peaks: list[tuple[float, float]]


class MapPoint(BaseModel):
    """One window on the map."""

    file: str
    start_s: float
    end_s: float
    x: float
    y: float


class CollectionMap(BaseModel):
    """The collection in two dimensions, x and y in -1..1."""

    points: list[MapPoint]
    method: str
