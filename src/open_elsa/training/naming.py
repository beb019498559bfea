"""Names that the tagger knows, taught to what the model hears and reads: a sound of no clip can meet its name so.

The tagger's outputs are prototypes of 527 named sounds. Contrast on a few thousand clips forgets them: a sound that no
clip was of takes the name of one that was. Here the model's likeness of sounds and names is held to the bridge between
tags and names that needs no training (`model/tag_names.py`), on the batch's sounds and on made ones: for every name,
features near a clip's own that the tagger would call by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from open_elsa.errors import TrainingError
from open_elsa.model.elsa import ElsaSmall
from open_elsa.model.features import repeat_pad
from open_elsa.model.semantic import MobileNetEncoder
from open_elsa.model.tag_names import meanings, name_texts, read_names, sound_tags, text_tags
from open_elsa.model.text_minilm import Tokens
from open_elsa.training.clip_store import ClipStore

OUTPUTS = 527
#: Names that a step compares, in groups of like length, and made sounds beside the batch's own.
GROUP, GROUPS, MADE = 32, 4, 64
#: Made sounds for each name.
PER_NAME = 4
#: Of both softmaxes over cosines: the lower, the more of the sounds of no clip took their own name (0.1, 0.05, 0.03).
TEMPERATURE = 0.03
_CLIPS, _SECONDS = 1024, 4.0
_STEPS, _RATE, _LIKELY = 60, 0.1, 2.5
_FAR, _OTHERS = 0.02, 0.02


class Namer:
    """The tagger's outputs, their names, and made sounds of each.

    classifier: features (n, f) to logits (n, names); names: of the logits; features (m, f): of real clips, near which
    sounds are made. Same arguments and seed, same made sounds.
    """

    def __init__(
        self, classifier: nn.Module, names: Sequence[str], features: Float[Tensor, "m f"], *, seed: int = 0
    ) -> None:
        self.classifier, self.texts = classifier.eval().requires_grad_(False), name_texts(names)
        named = meanings(self.texts)
        self.tags = text_tags(named, named)
        self.made = made_sounds(self.classifier, features, len(self.texts), seed)
        self._tokens: Tokens | None = None

    @classmethod
    def of(cls, tagger: Path, labels: Path, store: ClipStore, *, seed: int = 0) -> Namer:
        """From the tagger's file, the file of its outputs' names, and the clips that are trained on.

        Raises CheckpointError and DataError where a file is missing or another one.
        """
        names = read_names(labels, OUTPUTS)
        encoder = MobileNetEncoder(with_tags=True).eval()
        encoder.load_tagger(tagger)
        assert encoder.classifier is not None
        return cls(encoder.classifier, names, _features(encoder, store), seed=seed)

    def loss(self, model: ElsaSmall, log_mel: Tensor) -> Tensor:
        """How far the model's likeness of sounds and names is from the bridge's: a scalar.

        log_mel: of the batch, for a semantic encoder that is still the tagger's. Draws by torch's own generator.
        """
        device = log_mel.device
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            heard = model.semantic.from_log_mel(log_mel).float()
            made = self.made[torch.randint(len(self.made), (MADE,))].to(device)
            features = torch.cat([heard, made])
            tags = sound_tags(self.classifier.to(device)(features))
        tokens, which = self._some(model)
        with torch.autocast(device.type, enabled=False):
            sounds = nn.functional.normalize(model.what(features), dim=1)
            names = nn.functional.normalize(model.text.read(tokens)[0].float(), dim=1)
        return likeness_loss(sounds @ names.T, tags @ self.tags[which].to(device).T)

    def _some(self, model: ElsaSmall) -> tuple[Tokens, Tensor]:
        """Some of the names as the text encoder's backbone reads them, and which they are."""
        if self._tokens is None:  # the backbone is frozen: read once
            found = [model.text.tokens(self.texts[k : k + GROUP]) for k in range(0, len(self.texts), GROUP)]
            self._tokens = Tokens(
                [vectors for tokens in found for vectors in tokens.vectors],
                [mask for tokens in found for mask in tokens.masks],
                torch.cat([torch.argsort(tokens.back) + k * GROUP for k, tokens in enumerate(found)]),
            )
        vectors, masks, order = self._tokens
        starts = torch.tensor([0, *(len(v) for v in vectors)]).cumsum(0)
        groups = torch.randperm(len(vectors))[:GROUPS].tolist()
        which = torch.cat([order[starts[k] : starts[k + 1]].cpu() for k in groups])
        some = Tokens([vectors[k] for k in groups], [masks[k] for k in groups], torch.arange(len(which)))
        return some, which


def likeness_loss(said: Float[Tensor, "n m"], true: Float[Tensor, "n m"]) -> Float[Tensor, ""]:
    """Divergence of the cosines that a model says from true ones, mean of sounds -> names and names -> sounds."""
    terms = []
    for a, b in ((said, true), (said.T, true.T)):
        student, teacher = (a / TEMPERATURE).log_softmax(1), (b / TEMPERATURE).softmax(1)
        terms.append(nn.functional.kl_div(student, teacher, reduction="batchmean"))
    return torch.stack(terms).mean()


def made_sounds(classifier: nn.Module, features: Float[Tensor, "m f"], names: int, seed: int) -> Float[Tensor, "k f"]:
    """PER_NAME features for each name, between a clip's and the mean, moved until the tagger would name them so.

    Moved in the features' own spread (whitened), and no further than the name asks, so that they stay like sounds.
    Raises TrainingError where fewer than two features are given.
    """
    if len(features) < 2:
        raise TrainingError(f"made sounds need the features of at least two clips, got {len(features)}")
    generator = torch.Generator().manual_seed(seed)
    wanted = torch.arange(names).repeat(PER_NAME)
    rows = torch.arange(len(wanted))
    mean, width = features.mean(0), features.shape[1]
    spread = torch.linalg.cholesky(torch.cov(features.T) + 1e-3 * torch.eye(width))
    near = 0.5 * (mean + features[torch.randint(len(features), (len(wanted),), generator=generator)])
    moved = torch.zeros(len(wanted), width, requires_grad=True)
    optimizer = torch.optim.Adam([moved], _RATE)
    for _ in range(_STEPS):
        logits = classifier(near + moved @ spread.T)
        unlikely = nn.functional.softplus(_LIKELY - logits[rows, wanted]).sum()
        others = nn.functional.softplus(logits).sum()
        optimizer.zero_grad()
        cost = unlikely + _FAR * moved.square().sum() + _OTHERS * others
        cost.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    made: Tensor = near + moved.detach() @ spread.T
    return made


@torch.no_grad()
def _features(encoder: MobileNetEncoder, store: ClipStore) -> Float[Tensor, "m f"]:
    """What the tagger hears in the first seconds of clips spread evenly over the store."""
    rows: Int[Tensor, " k"] = torch.linspace(0, len(store) - 1, min(_CLIPS, len(store))).long()
    most, least = int(_SECONDS * encoder.sample_rate), encoder.sample_rate
    starts = (torch.from_numpy(store[int(k)][:most])[None] for k in rows)
    return torch.cat([encoder(repeat_pad(start, max(least, start.shape[1]))) for start in starts])
