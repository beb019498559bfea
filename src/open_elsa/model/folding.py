"""A trained model made quicker for use: what follows a convolution by a fixed scale and shift goes into its weights."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """Put every BatchNorm that follows a convolution in an nn.Sequential into that convolution; changes `model`.

    The outputs stay the same within rounding (1e-6 of an embedding); the model can be used and no longer trained.
    """
    for module in model.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for k in range(len(module) - 1):
            convolution, norm = module[k], module[k + 1]
            if isinstance(convolution, nn.Conv1d | nn.Conv2d) and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                module[k], module[k + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
                if k + 2 < len(module) and isinstance(activation := module[k + 2], nn.ReLU | nn.Hardswish):
                    activation.inplace = True  # nothing else sees what the convolution gives
    return model
