# SPDX-License-Identifier: Apache-2.0
"""From ReLU to polynomials in a model that others wrote."""

from __future__ import annotations

import copy
from typing import Callable, Optional, Sequence, Union

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from ._activations import Activation, HerPN, Quadratic, Quartic, Square, Swish4

_MODULES = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish)
_FUNCTIONS = {
    functional.relu, functional.relu_, functional.relu6, functional.silu, functional.gelu, functional.hardswish,
    torch.relu, torch.relu_,
}  # fmt: skip
_METHODS = {"relu", "relu_"}
_KINDS = {"square": Square, "swish4": Swish4, "quadratic": Quadratic, "quartic": Quartic, "herpn": HerPN}

#: Makes an activation for outputs of one image of the given shape: (C, H, W), or (F,).
Make = Callable[[Sequence[int]], Activation]


def replace_activations(
    model: nn.Module,
    sample: torch.Tensor,
    kind: Union[str, Make] = "quadratic",
    per: str = "channel",
    penalty_range: float = 6.0,
    limit: Optional[float] = None,
) -> fx.GraphModule:
    """A copy of the model whose activations (ReLU, ReLU6, SiLU, GELU, hard swish; modules and functions) are polynomials,
    each place with one of its own. Weights are the model's; warm_up(copy, 0) makes it train as with ReLU at first.

    sample   one or more images {N, C, H, W} as the model takes them: they give the shapes
    kind     "square", "swish4", "quadratic", "quartic", "herpn", or a function from an image's shape to an Activation
    per      "layer", "channel" or "element": what has coefficients of its own (quadratic and quartic)
    raises   ValueError: no activation in it, an unknown word; TypeError: torch.fx cannot follow its forward() (branches
             that depend on the values of tensors), with the reason
    What a call decides by Python's values, as dropout by functional.dropout(training=self.training), stays as it is in
    the mode that the model is in: use modules, as nn.Dropout, for these.
    """
    make = kind if callable(kind) else _make(kind, per, penalty_range, limit)
    try:
        traced = fx.symbolic_trace(copy.deepcopy(model))
    except Exception as error:  # fx raises many kinds, of its own and of the model
        raise TypeError(
            f"{type(model).__name__}: torch.fx cannot follow its forward(): {error}. Put Activation modules of "
            "obscura.torch in place of its activations by hand"
        ) from error
    _propagate(traced, sample)
    modules = dict(traced.named_modules())
    places = [node for node in traced.graph.nodes if _is_activation(node, modules)]
    if not places:
        raise ValueError(f"{type(model).__name__}: no ReLU or other activation that could be replaced is in it")
    for number, node in enumerate(places):
        name = f"polynomial{number}"
        traced.add_submodule(name, make(tuple(node.meta["tensor_meta"].shape[1:])))
        with traced.graph.inserting_before(node):
            node.replace_all_uses_with(traced.graph.call_module(name, (node.args[0],)))
        traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    traced.train(model.training)
    return traced


def _propagate(traced: fx.GraphModule, sample: torch.Tensor) -> None:
    """The shape of each value, without a trace in the statistics of normalisations."""
    modes = {module: module.training for module in traced.modules()}
    traced.eval()
    with torch.no_grad():
        ShapeProp(traced).propagate(sample)
    for module, training in modes.items():
        module.training = training


def _is_activation(node: fx.Node, modules: "dict[str, nn.Module]") -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], _MODULES)
    if node.op == "call_function":
        return node.target in _FUNCTIONS
    return node.op == "call_method" and node.target in _METHODS


def _make(kind: str, per: str, penalty_range: float, limit: Optional[float]) -> Make:
    if kind not in _KINDS:
        raise ValueError(f"kind: {kind!r}; allowed: {', '.join(_KINDS)}, or a function")
    if per not in ("layer", "channel", "element"):
        raise ValueError(f"per: {per!r}; allowed: layer, channel, element")

    def make(shape: Sequence[int]) -> Activation:
        if kind == "square":
            return Square(penalty_range, limit)
        if kind == "swish4":
            return Swish4(int(penalty_range), limit)
        if kind == "herpn":
            return HerPN(shape[0], penalty_range, limit)
        if per == "layer":
            own: Sequence[int] = (1,)
        elif per == "channel":
            own = (shape[0], *(1 for _ in shape[1:]))
        else:
            own = shape
        return _KINDS[kind](own, penalty_range=penalty_range, limit=limit)

    return make
