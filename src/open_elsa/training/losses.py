"""The training objective: contrast of audio and text, and regression of place and room."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from open_elsa.training.distributed import gather, rank, world_size


def describes(text_facts: Int[Tensor, "m f"], audio_facts: Int[Tensor, "n f"]) -> Bool[Tensor, "n m"]:
    """Which texts are true of which sounds: every fact that a text states (not 0) equals the sound's.

    A caption "a sound from the left" is true of every sound from the left in the batch: such pairs are no negatives.
    """
    text, audio = text_facts[None], audio_facts[:, None]
    return ((text == 0) | (text == audio)).all(-1)


def contrastive(
    audio: Float[Tensor, "n d"],
    text: Float[Tensor, "m d"],
    scale: Float[Tensor, ""],
    audio_facts: Shaped[Tensor, "n ..."] | None = None,
    text_facts: Shaped[Tensor, "m ..."] | None = None,
    true_of: Callable[[Tensor, Tensor], Tensor] = describes,
) -> Float[Tensor, ""]:
    """Symmetric contrastive loss over all ranks, the mean of audio -> text and text -> audio.

    m is a multiple of n: text k*n + i is the k-th caption of sound i. With facts, other pairs that are true as well are
    left out of the denominators; without, it is the paper's loss (every other pair is a negative). true_of: by (text
    facts, audio facts), (n, m) which texts are true of which sounds. Each rank computes its own rows against all
    columns; the mean over ranks equals the loss of one process with the whole batch.
    """
    captions = len(text) // len(audio)
    n, first = len(audio), rank() * len(audio)
    all_audio = gather(audio)
    all_text = torch.cat([gather(t) for t in text.chunk(captions)])
    total = world_size() * n
    own = torch.arange(n, device=audio.device) + first
    if audio_facts is not None and text_facts is not None:
        true = true_of(torch.cat([gather(t) for t in text_facts.chunk(captions)]), gather(audio_facts))
    else:
        index = torch.arange(total, device=audio.device)
        true = index[:, None] == index.repeat(captions)[None]
    loss = audio.new_zeros(())
    to_text = scale * audio @ all_text.T  # (n, captions * total)
    for k in range(captions):
        loss = loss + _pull(to_text, own + k * total, true[own])
        to_audio = scale * text[k * n : (k + 1) * n] @ all_audio.T  # (n, total)
        loss = loss + _pull(to_audio, own, true[:, own + k * total].T)
    return loss / (2 * captions)


def _pull(scores: Tensor, target: Tensor, true: Tensor) -> Tensor:
    """Cross-entropy of the target column against every column that is not true as well."""
    rows = torch.arange(len(scores), device=scores.device)
    negatives = scores.masked_fill(true, float("-inf"))
    wanted = scores[rows, target]
    return (torch.logaddexp(torch.logsumexp(negatives, 1), wanted) - wanted).mean()


def direction(predicted: Float[Tensor, "n 3"], true: Float[Tensor, "n 3"], mask: Bool[Tensor, " n"]) -> Tensor:
    """Minus the cosine of unit vectors, as in the paper, over sounds that have a place; 0 where none has."""
    true = torch.where(mask[:, None], true, torch.zeros_like(true))  # a NaN times nothing would still be a NaN
    return _masked(-(predicted * true).sum(-1), mask)


def words(logits: Sequence[Float[Tensor, "n w"]], facts: Int[Tensor, "n f"]) -> Tensor:
    """Cross-entropy of each attribute's word over the rows that state it (facts columns 1.., 0 = says nothing)."""
    terms = []
    for k, scores in enumerate(logits):
        said = facts[:, 1 + k]
        entropy = torch.nn.functional.cross_entropy(scores.float(), (said - 1).clamp(min=0), reduction="none")
        terms.append(_masked(entropy, said > 0))
    return torch.stack(terms).mean()


def squared(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Squared error over the entries of `mask` whose truth is known."""
    known = mask & torch.isfinite(true)
    return _masked((predicted - torch.where(known, true, predicted.detach())).square(), known)


def relative(log_predicted: Tensor, log_true: Tensor, mask: Tensor) -> Tensor:
    """Relative error |predicted / true - 1| of values given as logarithms, over the entries of `mask` that are known.

    Beyond e times too large it grows with the logarithm alone, so that a few of them don't outweigh all others.
    """
    known = mask & torch.isfinite(log_true)
    off = log_predicted - torch.where(known, log_true, log_predicted.detach())
    return _masked(torch.expm1(off.clamp(max=1.0)).abs() + (off - 1.0).clamp(min=0.0), known)


def angular_error_deg(u: Float[Tensor, "n 3"], v: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """Great-circle angle in degrees, atan2(|u x v|, u . v); NaN where a vector is."""
    return torch.rad2deg(torch.atan2(torch.linalg.cross(u, v).norm(dim=-1), (u * v).sum(-1)))


def spread(uncertainty: Float[Tensor, " n"], predicted: Tensor, true: Tensor, mask: Bool[Tensor, " n"]) -> Tensor:
    """Laplace likelihood of the angular error in degrees, so that `uncertainty` learns the error to expect.

    The direction itself gets no gradient from here.
    """
    error = angular_error_deg(predicted.detach(), true).nan_to_num()
    width = uncertainty.clamp(0.3, 180.0)
    return _masked(error / width + torch.log(width), mask)


def _masked(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the mask on all ranks together: the local sum over the mean count a rank."""
    count = mask.sum().to(values.dtype)
    if world_size() > 1:
        count = gather(count[None].detach()).mean()
    return torch.where(mask, values, torch.zeros_like(values)).sum() / count.clamp(min=1 / world_size())
