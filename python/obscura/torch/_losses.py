# SPDX-License-Identifier: Apache-2.0
"""What a student learns by."""

from __future__ import annotations

import torch
from torch.nn import functional


def distillation_loss(
    student: torch.Tensor,
    teacher: torch.Tensor,
    labels: torch.Tensor,
    temperature: float = 4.0,
    weight: float = 0.7,
) -> torch.Tensor:
    """(1 - w) cross entropy + w T^2 KL(softmax(teacher / T), softmax(student / T)), a scalar.

    student, teacher   logits {N, classes}; the teacher's get no gradient
    labels             {N}, whole numbers
    """
    soft = functional.kl_div(
        functional.log_softmax(student / temperature, 1),
        functional.softmax(teacher.detach() / temperature, 1),
        reduction="batchmean",
    )
    return (1 - weight) * functional.cross_entropy(student, labels) + weight * temperature**2 * soft
