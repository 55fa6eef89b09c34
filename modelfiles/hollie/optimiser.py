"""Muon for the matrices of the layers and AdamW for everything else, with one schedule for both.

Muon (Keller Jordan, 2024) makes each step's update orthogonal. It needs about half the steps that AdamW needs here, and
leaves fewer outliers in the activations, which is what an 8-bit range wants. It knows no model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonal(updates: Tensor) -> Tensor:
    """The stack (count, rows, columns) with its singular values near 1, by five Newton-Schulz steps in bfloat16."""
    a, b, c = COEFFICIENTS
    tall = updates.shape[1] > updates.shape[2]
    x = (updates.mT if tall else updates).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).float()


class Optimiser:
    """Steps all parameters of a model at `lr` times the schedule's share."""

    def __init__(self, model: nn.Module, matrix_lr: float = 0.015, other_lr: float = 2e-3, decay: float = 0.02) -> None:
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers" in name]
        others = [p for p in model.parameters() if not any(p is matrix for matrix in matrices)]
        self.stacks = [[m for m in matrices if m.shape == shape] for shape in sorted({m.shape for m in matrices})]
        self.momenta = [torch.zeros(len(stack), *stack[0].shape) for stack in self.stacks]
        self.matrix_lr, self.other_lr, self.decay = matrix_lr, other_lr, decay
        self.adam = torch.optim.AdamW(others, lr=other_lr, betas=(0.9, 0.95), weight_decay=decay, fused=True)

    def step(self, share: float) -> None:
        """One step with the gradients at hand, which are dropped after it."""
        for stack, momentum in zip(self.stacks, self.momenta, strict=True):
            gradient = torch.stack([matrix.grad for matrix in stack])
            momentum.lerp_(gradient, 0.05)
            update = orthogonal(gradient.lerp_(momentum, 0.95))
            lr = self.matrix_lr * share * max(1.0, stack[0].shape[0] / stack[0].shape[1]) ** 0.5
            for matrix, change in zip(stack, update, strict=True):
                matrix.data.mul_(1 - lr * self.decay).add_(change, alpha=-lr)
                matrix.grad = None
        for group in self.adam.param_groups:
            group["lr"] = self.other_lr * share
        self.adam.step()
        self.adam.zero_grad()

    def state(self) -> dict[str, object]:
        return {"momenta": self.momenta, "adam": self.adam.state_dict()}

    def restore(self, state: dict[str, object]) -> None:
        for momentum, kept in zip(self.momenta, state["momenta"], strict=True):  # type: ignore[call-overload]
            momentum.copy_(kept)
        self.adam.load_state_dict(state["adam"])  # type: ignore[arg-type]
