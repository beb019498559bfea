"""Processes and ranks: the only file that knows there may be several."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rank() -> int:
    """This process's rank, 0 when alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together, 1 when alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def start() -> None:
    """Join the group that torchrun describes in the environment; does nothing without one."""
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ and not dist.is_initialized():
        if torch.cuda.is_available():  # "cuda" then means this process's own GPU, not the first for all
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def stop() -> None:
    """Leave the group."""
    if dist.is_initialized():
        dist.destroy_process_group()


class _Gather(torch.autograd.Function):
    """Concatenate equal shards of all ranks; the backward pass sums every rank's gradient of this rank's shard."""

    @staticmethod
    def forward(ctx: Any, shard: Tensor) -> Tensor:
        parts = [torch.empty_like(shard) for _ in range(world_size())]
        dist.all_gather(parts, shard.contiguous())
        ctx.rows = len(shard)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].contiguous()
        dist.all_reduce(whole)
        return whole[rank() * ctx.rows : (rank() + 1) * ctx.rows]


def gather(shard: Tensor) -> Tensor:
    """All ranks' rows in rank order, carrying gradients to where each row came from. Shards must be of equal length."""
    if world_size() == 1:
        return shard
    if not shard.is_floating_point():
        parts = [torch.empty_like(shard) for _ in range(world_size())]
        dist.all_gather(parts, shard.contiguous())
        return torch.cat(parts)
    gathered: Tensor = _Gather.apply(shard)  # type: ignore[no-untyped-call]
    return gathered


def average_gradients(parameters: list[torch.nn.Parameter]) -> None:
    """Mean of the gradients over ranks, in one message; parameters without a gradient count as zero."""
    if world_size() == 1:
        return
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    start_at = 0
    for p in parameters:
        p.grad = flat[start_at : start_at + p.numel()].view_as(p).clone()
        start_at += p.numel()


def average_buffers(module: torch.nn.Module) -> None:
    """Mean of the floating-point buffers (BatchNorm's running statistics) over ranks, so that checkpoints agree."""
    if world_size() == 1:
        return
    for buffer in module.buffers():
        if buffer.is_floating_point():
            dist.all_reduce(buffer)
            buffer /= world_size()


def wait() -> None:
    """Return when every rank has come here."""
    if dist.is_initialized():
        dist.barrier()
