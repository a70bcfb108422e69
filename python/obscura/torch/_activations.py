# SPDX-License-Identifier: Apache-2.0
"""Activations that are polynomials, as the server computes them, and what keeps their inputs where they are good."""

from __future__ import annotations

from typing import Optional, Sequence

import torch
from torch import nn

# ReLU in normalised Hermite polynomials h0 = 1, h1 = x, h2 = (x^2 - 1) / sqrt 2, h4 = (x^4 - 6 x^2 + 3) / sqrt 24 (h3 has
# none): E[relu(x) h_k(x)] for x a standard normal, which a batch norm before it makes x about.
_HERMITE = {0: 0.39894228040143268, 1: 0.5, 2: 0.28209479177387814, 4: -0.081433751983819830}
_TWO = _HERMITE[2] / 2**0.5
_FOUR = _HERMITE[4] / 24**0.5
_QUADRATIC = (_HERMITE[0] - _TWO, _HERMITE[1], _TWO)
_QUARTIC = (_HERMITE[0] - _TWO + 3 * _FOUR, _HERMITE[1], _TWO - 6 * _FOUR, 0.0, _FOUR)
# Ishiyama et al. 2020: x * sigmoid(x) on [-r, r] as c0 + x / 2 + c2 x^2 + c4 x^4.
_SWISH4 = {
    3: (0.0108, 0.2212, -0.008248),
    4: (0.03347, 0.19566, -0.005075),
    5: (0.07066, 0.17003, -0.00315),
    6: (0.1198, 0.1473, -0.002012),
    7: (0.1773, 0.1282, -0.001328),
    8: (0.2401, 0.11257, -0.000908),
}


class Activation(nn.Module):
    """y = p(x) of each element, with p a polynomial that a subclass has.

    penalty_range   r: range_penalty() is of inputs beyond [-r, r], where p is no longer like what it stands for
    limit           inputs beyond [-limit, limit] are clipped to it while training; None: no clipping. The penalty sees
                    them as they are, and evaluation does not clip
    While training y = share p(x) + (1 - share) relu(x), with the share of warm_up(), 1 unless said; evaluation is of p.
    """

    def __init__(self, penalty_range: float = 6.0, limit: Optional[float] = None) -> None:
        super().__init__()
        self.penalty_range = penalty_range
        self.limit = limit
        self.share = 1.0
        #: mean of max(0, |x| - r)^2 over the inputs of the last forward pass while training
        self.beyond: Optional[torch.Tensor] = None

    def polynomial(self, x: torch.Tensor) -> torch.Tensor:
        """p(x)."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """y, of the shape of x."""
        if not self.training:
            self.beyond = None
            return self.polynomial(x)
        self.beyond = (x.abs() - self.penalty_range).relu().square().mean()
        if self.limit is not None:
            x = x.clamp(-self.limit, self.limit)
        if self.share >= 1:
            return self.polynomial(x)
        return self.share * self.polynomial(x) + (1 - self.share) * x.relu()


class Square(Activation):
    """x^2."""

    def polynomial(self, x: torch.Tensor) -> torch.Tensor:
        """p(x)."""
        return x * x


class Swish4(Activation):
    """The published fit of degree 4 to x * sigmoid(x) on [-fit_range, fit_range] (Ishiyama et al. 2020), fixed.

    fit_range   3, 4, ... 8; the range of the penalty too
    """

    def __init__(self, fit_range: int = 6, limit: Optional[float] = None) -> None:
        if fit_range not in _SWISH4:
            raise ValueError(f"Swish4: range {fit_range}; 3, 4, 5, 6, 7 and 8 are allowed")
        super().__init__(fit_range, limit)
        self.coefficients = _SWISH4[fit_range]

    def polynomial(self, x: torch.Tensor) -> torch.Tensor:
        """p(x)."""
        c0, c2, c4 = self.coefficients
        x2 = x * x
        return c0 + 0.5 * x + c2 * x2 + c4 * x2 * x2


class _Trained(Activation):
    """c0 + c1 x + c2 x^2 + ..., with coefficients that are trained."""

    def __init__(
        self, shape: Sequence[int], initial: Sequence[float], penalty_range: float, limit: Optional[float]
    ) -> None:
        super().__init__(penalty_range, limit)
        #: from x^0 up, each of `shape`
        self.coefficients = nn.ParameterList(
            [nn.Parameter(torch.full(tuple(shape), float(value))) for value in initial]
        )

    def polynomial(self, x: torch.Tensor) -> torch.Tensor:
        """p(x)."""
        coefficients = list(self.coefficients)
        y = coefficients[-1]
        for c in reversed(coefficients[:-1]):
            y = y * x + c
        return y


class Quadratic(_Trained):
    """c0 + c1 x + c2 x^2, trained.

    shape     of the coefficients: (1,) by layer; (C, 1, 1) by channel; (C, H, W), or (F,) of vectors, by element
    initial   c0, c1, c2; else the least squares fit to ReLU where x is a standard normal
    """

    def __init__(
        self,
        shape: Sequence[int] = (1,),
        initial: Sequence[float] = _QUADRATIC,
        penalty_range: float = 6.0,
        limit: Optional[float] = None,
    ) -> None:
        if len(initial) != 3:
            raise ValueError(f"Quadratic: {len(initial)} coefficients; 3 are allowed, from x^0 up")
        super().__init__(shape, initial, penalty_range, limit)


class Quartic(_Trained):
    """c0 + c1 x + ... + c4 x^4, trained; shape and initial coefficients as of Quadratic, five of them."""

    def __init__(
        self,
        shape: Sequence[int] = (1,),
        initial: Sequence[float] = _QUARTIC,
        penalty_range: float = 6.0,
        limit: Optional[float] = None,
    ) -> None:
        if len(initial) != 5:
            raise ValueError(f"Quartic: {len(initial)} coefficients; 5 are allowed, from x^0 up")
        super().__init__(shape, initial, penalty_range, limit)


class HerPN(Activation):
    """ReLU's Hermite coefficients with the parts normalised one by one (AESPA, Park et al. 2022): y = g (h1 n(x) + h2
    n(x^2)) + b, with n(v) = (v - mean) / deviation over the batch in each channel; g and b are trained.

    channels   of {N, C, H, W}; no batch norm stands before it
    Evaluation is a quadratic of each channel, by the running statistics.
    """

    def __init__(
        self, channels: int, penalty_range: float = 6.0, limit: Optional[float] = None, epsilon: float = 1e-3
    ) -> None:
        super().__init__(penalty_range, limit)
        self.first = nn.BatchNorm2d(channels, affine=False, eps=epsilon)
        self.second = nn.BatchNorm2d(channels, affine=False, eps=epsilon)
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.full((channels, 1, 1), _HERMITE[0]))

    def polynomial(self, x: torch.Tensor) -> torch.Tensor:
        """p(x)."""
        if self.training:
            return self.gain * (_HERMITE[1] * self.first(x) + _HERMITE[2] * self.second(x * x)) + self.shift
        (mean1, deviation1), (mean2, deviation2) = _statistics(self.first), _statistics(self.second)
        c1 = _HERMITE[1] * self.gain / deviation1
        c2 = _HERMITE[2] * self.gain / deviation2
        return (c2 * x + c1) * x + (self.shift - c1 * mean1 - c2 * mean2)


def _statistics(norm: nn.BatchNorm2d) -> "tuple[torch.Tensor, torch.Tensor]":
    """Running mean and standard deviation, as they multiply pictures."""
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.running_mean.reshape(-1, 1, 1), (norm.running_var + norm.eps).sqrt().reshape(-1, 1, 1)


def activations(model: nn.Module) -> "list[Activation]":
    """The polynomial activations of a model."""
    return [module for module in model.modules() if isinstance(module, Activation)]


def warm_up(model: nn.Module, share: float) -> None:
    """From now on y = share p(x) + (1 - share) relu(x) while training: from 0 to 1 over the first epochs, ReLU turns into
    the polynomials. share   held to [0, 1]; warm_up(model, epoch / 5) before each epoch takes five of them
    """
    for activation in activations(model):
        activation.share = min(1.0, max(0.0, float(share)))


def range_penalty(model: nn.Module) -> torch.Tensor:
    """The sum over the activations of mean max(0, |x| - r)^2 in the last forward pass while training, for the loss:
    0.01 times it keeps inputs where the polynomials are good. Zero of a model without activations, or in evaluation.
    """
    beyond = [activation.beyond for activation in activations(model) if activation.beyond is not None]
    return torch.stack(beyond).sum() if beyond else torch.zeros(())
