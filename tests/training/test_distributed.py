"""Two processes learn what one process learns from the whole batch: same losses, same gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import normalize

from open_elsa.model.config import elsa_tiny
from open_elsa.model.elsa import BANDS, ElsaSmall, build, front_end
from open_elsa.training import distributed, losses
from open_elsa.training.data import TARGET_COLUMNS, Batch
from open_elsa.training.recipes import elsa_tiny as tiny_recipe
from open_elsa.training.train import align_losses, place_losses

N = 4  # examples in the whole batch
MASKS = {
    "uneven": [True, True, False, True],
    "one_side": [True, True, False, False],
    "single": [False, True, False, False],
}


def share(whole: Tensor, rank: int, world: int) -> Tensor:
    return whole.chunk(world)[rank]


def average(value: Tensor, world: int) -> Tensor:
    total = value.detach().clone()
    if world > 1:
        dist.all_reduce(total)
    return total / world


def contrast(rank: int, world: int, *, facts: bool, captions: int) -> dict[str, Tensor]:
    """Loss and gradients of two linear encoders; each rank holds its share of sounds and of every k-th captions."""
    torch.manual_seed(3)
    sounds, texts = torch.randn(N, 5), torch.randn(captions, N, 5)
    heard = torch.tensor([[1, 2], [1, 3], [2, 2], [2, 3]])
    said = torch.stack([heard, torch.tensor([[0, 2], [1, 0], [2, 0], [2, 3]])])[:captions]
    audio_weight, text_weight = (torch.nn.Parameter(torch.randn(5, 6)) for _ in range(2))
    scale = torch.nn.Parameter(torch.tensor(3.0))
    own_texts = torch.cat([share(t, rank, world) for t in texts])
    own_said = torch.cat([share(t, rank, world) for t in said])
    loss = losses.contrastive(
        normalize(share(sounds, rank, world) @ audio_weight, dim=1),
        normalize(own_texts @ text_weight, dim=1),
        scale,
        *((share(heard, rank, world), own_said) if facts else (None, None)),
    )
    loss.backward()  # type: ignore[no-untyped-call]
    parameters = [audio_weight, text_weight, scale]
    distributed.average_gradients(parameters)
    return {"loss": average(loss, world), **{f"gradient {k}": p.grad for k, p in enumerate(parameters)}}  # type: ignore[misc]


def regression(rank: int, world: int, mask: list[bool]) -> dict[str, Tensor]:
    torch.manual_seed(4)
    sounds, true = torch.randn(N, 5), normalize(torch.randn(N, 3), dim=1)
    keep = torch.tensor(mask)
    true[~keep] = float("nan")
    weight = torch.nn.Parameter(torch.randn(5, 3))
    said = normalize(share(sounds, rank, world) @ weight, dim=1)
    own_true, own_keep = share(true, rank, world), share(keep, rank, world)
    terms = [
        losses.direction(said, own_true, own_keep),
        losses.squared(said, own_true, own_keep[:, None].expand(-1, 3)),
        losses.spread((said @ said.new_ones(3)).exp() * 30, said, own_true, own_keep),
        losses.words((said,), torch.stack([own_keep, 2 * own_keep.long()], 1)),
    ]
    total = torch.stack(terms)
    total.sum().backward()  # type: ignore[no-untyped-call]
    distributed.average_gradients([weight])
    assert weight.grad is not None
    return {"terms": average(total, world), "gradient": weight.grad}


def batch(rank: int, world: int, *, spatial: list[bool]) -> Batch:
    torch.manual_seed(5)
    audio = torch.randn(N, 4, 12800) * 0.1
    targets = torch.randn(N, TARGET_COLUMNS)
    targets[:, :3] = normalize(targets[:, :3], dim=1)
    targets[1, -BANDS:] = float("nan")
    targets[~torch.tensor(spatial)] = float("nan")
    texts = ["a dog on my left", "rain", "a bell high above", "a far bell"]
    facts = torch.tensor([[1, 2, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0], [3, 1, 1, 1, 0, 2], [3, 4, 0, 2, 1, 0]])
    said = torch.tensor([[1, 2, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0], [3, 0, 1, 0, 0, 0], [3, 0, 0, 2, 0, 0]])
    rows = list(range(N))[rank * N // world : (rank + 1) * N // world]
    return Batch(
        front_end(elsa_tiny())(audio[rows]),
        torch.tensor(spatial)[rows],
        targets[rows],
        facts[rows],
        [texts[k] for k in rows] * 2,
        said[rows].repeat(2, 1),
    )


def whole_model(rank: int, world: int, *, place: bool) -> dict[str, Tensor]:
    """A step's loss and gradients of elsa-tiny. In evaluation mode: batch statistics are each rank's own by design, so
    in training mode two ranks with half a batch each rightly differ from one with all of it."""
    torch.manual_seed(6)
    model = build(elsa_tiny()).eval()
    assert isinstance(model, ElsaSmall)
    torch.nn.init.normal_(model.no_place)
    stage = tiny_recipe().stages[0 if place else 1]
    measure = place_losses if place else align_losses
    terms = measure(model, stage, batch(rank, world, spatial=[True] * N if place else [True, True, False, True]))
    loss = torch.stack(list(terms.values())).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    parameters = {k: p for k, p in model.named_parameters() if p.requires_grad}
    distributed.average_gradients(list(parameters.values()))
    gradients = {k: p.grad for k, p in parameters.items() if p.grad is not None and bool(p.grad.any())}
    return {"loss": average(loss, world), **gradients}


def gathering(rank: int, world: int) -> dict[str, Tensor]:
    """Every rank weighs the gathered rows differently; the gradient must bring all the weights back to the owner."""
    whole = torch.arange(8.0).view(4, 2)
    own = share(whole, rank, world).clone().requires_grad_()
    gathered = distributed.gather(own)
    (gathered * (rank + 1)).sum().backward()
    assert own.grad is not None
    numbers = distributed.gather(share(torch.arange(4), rank, world))
    norm = torch.nn.BatchNorm1d(1)
    norm.running_mean.fill_(float(rank))  # type: ignore[union-attr]
    distributed.average_buffers(norm)
    return {"rows": gathered.detach(), "numbers": numbers, "gradient": own.grad, "mean": norm.running_mean.clone()}  # type: ignore[union-attr,operator]


def everything(rank: int, world: int) -> dict[str, dict[str, Tensor]]:
    return {
        "paper": contrast(rank, world, facts=False, captions=1),
        "two captions": contrast(rank, world, facts=False, captions=2),
        "facts": contrast(rank, world, facts=True, captions=2),
        **{name: regression(rank, world, mask) for name, mask in MASKS.items()},
        "place": whole_model(rank, world, place=True),
        "align": whole_model(rank, world, place=False),
        "gathering": gathering(rank, world),
    }


def in_a_group(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=2)
    torch.save(everything(rank, 2), f"{folder}/{rank}.pt")
    distributed.wait()
    distributed.stop()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    folder: Path = tmp_path_factory.mktemp("group")
    torch.multiprocessing.spawn(in_a_group, (str(folder),), nprocs=2)  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.fixture(scope="module")
def one() -> dict[str, dict[str, Tensor]]:
    return everything(0, 1)


@pytest.mark.parametrize("case", ["paper", "two captions", "facts", *MASKS, "place", "align"])
def test_two_processes_equal_one(
    case: str, one: dict[str, dict[str, Tensor]], two: list[dict[str, dict[str, Tensor]]]
) -> None:
    for ours in two:
        assert ours[case].keys() == one[case].keys()
        for name, wanted in one[case].items():
            torch.testing.assert_close(
                ours[case][name], wanted, rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_the_whole_model_gets_gradients(one: dict[str, dict[str, Tensor]]) -> None:
    reached = {name.split(".")[0] for name in one["align"]}
    assert reached >= {"semantic", "spatial", "text", "what", "where", "room", "spread", "no_place", "logit_scale"}
    assert {name.split(".")[0] for name in one["place"]} & {"semantic", "text"} == set()


def test_gathering_brings_rows_and_gradients_home(two: list[dict[str, dict[str, Tensor]]]) -> None:
    for rank, ours in enumerate(result["gathering"] for result in two):
        torch.testing.assert_close(ours["rows"], torch.arange(8.0).view(4, 2))
        assert ours["numbers"].tolist() == [0, 1, 2, 3]
        torch.testing.assert_close(ours["gradient"], torch.full((2, 2), 3.0), msg=f"rank {rank}")  # 1 + 2
        assert float(ours["mean"]) == 0.5
