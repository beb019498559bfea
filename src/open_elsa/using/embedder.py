"""Sounds and words to vectors and places, without any randomness."""

from __future__ import annotations

import hashlib
import logging
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from open_elsa.errors import CheckpointError, ConfigError, DataError
from open_elsa.using.analysis import Analysis as Analysis
from open_elsa.using.analysis import Embedding as Embedding
from open_elsa.using.analysis import Location as Location
from open_elsa.using.analysis import Vectors as Vectors
from open_elsa.using.analysis import WindowAnalysis as WindowAnalysis
from open_elsa.using.analysis import locations, whole
from open_elsa.using.pieces import AudioLike, Audios, Piece, as_list, pieces
from open_elsa.using.streaming import OnError, stream

logger = logging.getLogger("open_elsa")

#: Windows that one of several workers computes at once: what is made of more leaves the processor's cache.
BATCH_OF_A_WORKER = 2


def load(path_or_id: str | Path | None = None, *, device: str = "cpu", batch_size: int = 16) -> Embedder:
    """Load a model ready for use: the shipped elsa-small, a checkpoint folder, or a hub id.

    device: a torch device. On the CPU the same recording gives the same bits; a GPU agrees within 1e-4.
    Raises CheckpointError for a folder that is missing, incomplete or does not fit; ConfigError for the device.
    """
    from open_elsa.model import checkpoints
    from open_elsa.model.folding import fold_batch_norm

    folder = checkpoints.find(path_or_id)
    model = fold_batch_norm(checkpoints.load(folder))
    return Embedder(
        model,
        device=device,
        batch_size=batch_size,
        weights_sha256=checkpoints.weights_hash(folder),
        left_out=checkpoints.left_out(folder),
        folder=folder,
    )


class Embedder:
    """A model in use: lists in, NumPy arrays out, the same answer alone and in any batch (within 1e-5).

    model: an ELSA model (see open_elsa.model); batch_size: windows computed at once, which changes speed only;
    weights_sha256: of the checkpoint's file (default: computed from the weights). left_out: classes of which no clip
    was trained on. folder: the checkpoint's, where its captioner is looked for.
    """

    def __init__(
        self,
        model: Any,
        *,
        device: str = "cpu",
        batch_size: int = 16,
        weights_sha256: str | None = None,
        left_out: Sequence[str] = (),
        folder: Path | None = None,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        try:
            self.device = torch.device(device)
            self.model = model.to(self.device).eval()
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
        self.config = model.config
        self.batch_size = batch_size
        self.left_out = tuple(left_out)
        self.folder = folder
        self._hash = weights_sha256

    @property
    def dim(self) -> int:
        """Length of every vector."""
        return int(self.config.embedding_dim)

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.config.name)

    @property
    def sample_rate(self) -> int:
        """The rate in hertz at which the model listens; sounds of any rate are resampled to it."""
        return int(self.model.sample_rate)

    @property
    def weights_sha256(self) -> str:
        """What the model is recognised by: the hash of its weights file, or of names and values of its weights."""
        if self._hash is None:
            digest = hashlib.sha256()
            for key, tensor in sorted(self.model.state_dict().items()):
                digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
            self._hash = digest.hexdigest()
        return self._hash

    def save(self, folder: str | Path) -> Path:
        """Copy the checkpoint that the model was loaded from, card and captioner with it, into a new folder.

        Raises CheckpointError for a folder with files in it, or a model that came from no folder.
        """
        from open_elsa.using import sharing

        return sharing.save(self, folder)

    def push_to_hub(self, repo_id: str, *, private: bool = False) -> str:
        """Upload the checkpoint and its card to the hub as "user/name"; the commit's address; or CheckpointError."""
        from open_elsa.using import sharing

        return sharing.push_to_hub(self, repo_id, private=private)

    # -- sounds ------------------------------------------------------------------------------------------------------

    def embed_audio(self, sounds: Audios, *, convention: str = "auto") -> Vectors:
        """Embed sounds of any length, rate and mix of mono and ambisonic: (n, dim) float32, unit norm.

        sounds: a list of paths, (samples, sample_rate) or Sound; one of these alone counts as a list of one.
        A sound longer than config.window_s is cut into half-overlapping windows; its vector is the normalised mean
        over those that are not silent. Raises AudioError naming the first sound that cannot be used.
        """
        rows = [whole(windows).embedding for windows in self._all(sounds, convention)]
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)

    def embed_windows(self, sounds: Audios, *, convention: str = "auto") -> list[Embedding]:
        """Embed every window of a sound with its times; window k equals the embedding of that crop alone."""
        found = self._all(sounds, convention)
        return [Embedding(w.embedding, w.start_s, w.end_s, w.source) for windows in found for w in windows]

    def locate(self, sounds: Audios, *, convention: str = "auto") -> list[Location]:
        """Say where each sound comes from; in a long sound, where its loudest window comes from.

        Mono sounds and silence have no location: every field is None, and silence is warned of.
        """
        return [a.location for a in self.analyse(sounds, convention=convention)]

    def analyse(self, sounds: Audios, *, convention: str = "auto") -> list[Analysis]:
        """Embed and locate in one pass, one Analysis a sound."""
        return [whole(windows) for windows in self._all(sounds, convention)]

    def stream(
        self,
        sounds: Iterable[AudioLike],
        *,
        convention: str = "auto",
        on_error: OnError | None = None,
        workers: int = 1,
    ) -> Iterator[tuple[int, list[WindowAnalysis]]]:
        """Yield (place in `sounds`, its windows) as they are finished, not in order, holding few windows in memory.

        Windows of equal length are computed together. on_error takes (place, error) of a sound that cannot be used
        and lets the rest go on; without it the error is raised. workers: 1 does all in this thread; more compute in so
        many threads of one core each while others read ahead, which is quicker for many sounds; 0: as many as torch
        uses threads.
        """
        count = workers or (torch.get_num_threads() if self.device.type == "cpu" else 1)
        yield from stream(
            sounds,
            partial(pieces, config=self.config, sample_rate=self.sample_rate, convention=convention),
            self._encode,
            batch_size=self.batch_size if count == 1 else min(self.batch_size, BATCH_OF_A_WORKER),
            workers=count,
            on_error=on_error,
        )

    def _all(self, sounds: Audios, convention: str) -> list[list[WindowAnalysis]]:
        items = as_list(sounds)
        found = dict(self.stream(items, convention=convention))
        for i in range(len(items)):
            if all(w.silent for w in found[i]):
                warnings.warn(f"{found[i][0].source}: silent, no location", stacklevel=3)
            for note in dict.fromkeys(note for w in found[i] for note in w.notes):
                logger.info("%s: %s", found[i][0].source, note)
        return [found[i] for i in range(len(items))]

    def _encode(self, batch: Sequence[Piece]) -> list[WindowAnalysis]:
        audio = torch.zeros(len(batch), 4, batch[0].samples.shape[1])
        for row, piece in zip(audio, batch, strict=True):
            channels = piece.samples if piece.spatial else piece.samples[:1]  # mono: W alone, Y Z X stay zero
            row[: len(channels)] = torch.from_numpy(np.ascontiguousarray(channels))
        spatial = torch.tensor([piece.spatial for piece in batch])
        # exact convolutions on a GPU: TF32 would cost three digits between a batch and a single
        with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
            out = self.model.encode_audio(audio.to(self.device), spatial.to(self.device))
        vectors = out.embedding.float().cpu().numpy()
        if not np.isfinite(vectors).all():
            raise CheckpointError(f"{self.name} gave a vector that is not finite; its weights are damaged")
        places = locations(out, [piece.spatial for piece in batch])
        return [
            WindowAnalysis(v, place, p.start_s, p.end_s, p.source, p.level_db, p.silent, p.notes)
            for v, place, p in zip(vectors, places, batch, strict=True)
        ]

    def encode(self, what: Any, *, convention: str = "auto") -> Vectors:
        """Embed sentences (str) and sounds (Path, (samples, rate), Sound), mixed: (n, dim), unit; of one alone (dim,).

        A string is a sentence, never a file: one that names a file or ends like one raises DataError.
        """
        from open_elsa.using import encoding

        return encoding.encode(self, what, convention=convention)

    # -- words -------------------------------------------------------------------------------------------------------

    def embed_text(self, texts: str | Sequence[str]) -> Vectors:
        """Embed sentences: (m, dim) float32, unit norm; one string counts as a list of one.

        Raises DataError for an empty text. What the model cannot read of a long text is cut with a warning.
        """
        rows = [self._readable(text, k) for k, text in enumerate([texts] if isinstance(texts, str) else texts)]
        parts = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(rows), 64):
            with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
                parts.append(self.model.encode_text(rows[start : start + 64]).float().cpu().numpy())
        return np.concatenate(parts)

    def _readable(self, text: str, k: int) -> str:
        if not isinstance(text, str):
            raise DataError(f"text {k}: expected a string, got {type(text).__name__}")
        words = text.split()
        if not words:
            raise DataError(f"text {k} is empty; say what to listen for, such as 'a dog barking on the left'")
        most = int(self.config.text.max_tokens)  # a word is at least one token: nothing readable is lost
        if len(words) > most:
            warnings.warn(f"text {k} has {len(words)} words; the first {most} are read", stacklevel=3)
        return " ".join(words[:most])

    def similarity(self, a: Vectors, b: Vectors) -> Vectors:
        """Cosine of every row of a (n, d) with every row of b (m, d): (n, m) float32, -1..1."""
        x, y = np.atleast_2d(np.asarray(a, np.float32)), np.atleast_2d(np.asarray(b, np.float32))
        if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
            raise DataError(f"similarity needs (n, d) and (m, d), got {x.shape} and {y.shape}")
        return np.asarray(x @ y.T, np.float32)

    def move(self, vectors: Vectors, to: str | float) -> Vectors:
        """The same sounds somewhere else: vectors (n, d) or (d,) with their direction exchanged, (n, d) unit.

        to: "on my right", "behind me on the left", "at three o'clock", or an azimuth in degrees, +90 left; what is
        heard, height, distance and room stay. For many calls see `open_elsa.using.edit`, which also removes directions.
        Raises DataError for words that do not name one direction and nothing else.
        """
        from open_elsa.using import edit  # the parser of sentences need not be loaded with every model

        return edit.move(self, vectors, to)

    def classify(
        self, sounds: Audios, labels: Sequence[str], template: str = "the sound of {}", *, convention: str = "auto"
    ) -> list[dict[str, float]]:
        """Zero-shot: for each sound the labels with their probabilities, most likely first; they sum to one.

        template: holds one {} for the label. The probabilities weigh the given labels against each other only:
        a sound that is none of them still gets one.
        """
        if "{}" not in template:
            raise DataError(f"the template needs {{}} where the label goes, got {template!r}")
        if not labels or isinstance(labels, str) or len(set(labels)) != len(labels):
            raise DataError("labels must be a list of different names")
        prompts = self.embed_text([template.replace("{}", label) for label in labels])
        return [
            rank(labels, row) for row in self.probabilities(self.embed_audio(sounds, convention=convention), prompts)
        ]

    def probabilities(self, a: Vectors, b: Vectors) -> Vectors:
        """Softmax over b of similarity times the model's learned temperature: (n, m), rows sum to one."""
        scale = math.exp(float(self.model.logit_scale.detach()))
        logits = scale * self.similarity(a, b).astype(np.float64)
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def rank(labels: Sequence[str], probabilities: NDArray[np.float32]) -> dict[str, float]:
    """Labels with probabilities, most likely first; equal ones in the order given."""
    order = np.argsort(-probabilities, kind="stable")
    return {labels[i]: float(probabilities[i]) for i in order}
