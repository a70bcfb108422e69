# SPDX-License-Identifier: Apache-2.0
"""Models of PyTorch that the server can compute: polynomial activations, what trains them, and the way to a plan.

    student = obscura.torch.replace_activations(model, images[:1])      # ReLU out, quadratics in
    for epoch in range(epochs):
        obscura.torch.warm_up(student, epoch / 5)
        for images, labels in batches:
            logits = student(images)
            loss = obscura.torch.distillation_loss(logits, model(images), labels)
            loss = loss + 0.01 * obscura.torch.range_penalty(student)
            ...
    plan = obscura.compile_torch(student, training_images)

PyTorch 1.13 (tested) or 2.
"""

from ._activations import Activation, HerPN, Quadratic, Quartic, Square, Swish4, activations, range_penalty, warm_up
from ._export import compile_torch, export
from ._losses import distillation_loss
from ._replace import replace_activations

__all__ = [
    "Activation",
    "HerPN",
    "Quadratic",
    "Quartic",
    "Square",
    "Swish4",
    "activations",
    "compile_torch",
    "distillation_loss",
    "export",
    "range_penalty",
    "replace_activations",
    "warm_up",
]
