# SPDX-License-Identifier: Apache-2.0
"""The tiny networks of the conformance test: operators times attributes times operator sets that differ in them.

all_cases() gives a list of Case. Each network reads "x" and ends in one row "y". README.md says how they are run.
"""
import itertools

import numpy as np
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"


class Case:
    """One network: nodes are (operator, inputs, outputs, attributes[, domain])."""

    def __init__(self, name, opset, nodes, constants=None, shape=(1, 2, 4, 4), grid=64, row=True, functions=(),
                 output=TensorProto.FLOAT):
        self.name = f"{name} {opset}"
        self.opset = opset
        self.shape = shape
        self.nodes = [node if len(node) > 4 else (*node, "") for node in nodes]
        self.constants = dict(constants or {})
        self.functions = functions
        self.output = output
        if row:
            last = self.nodes[-1]
            self.nodes[-1] = (last[0], last[1], ["unrolled", *last[2][1:]], *last[3:])
            self.constants["one_row"] = np.array([1, -1], np.int64)
            self.nodes.append(("Reshape", ["unrolled", "one_row"], ["y"], {}, ""))
        count = int(np.prod(shape))
        # Neighbours differ, no value comes twice within a row, and all of them are multiples of 1 / grid.
        if grid == 64:
            numbers = (np.arange(count) * 37 % 256 - 128) / 64
        else:
            numbers = (np.arange(count) * 7 % 17 - 8) / grid
        self.x = numbers.astype(np.float32)

    def bytes(self):
        nodes = [helper.make_node(op, ins, outs, domain=domain, **attributes)
                 for op, ins, outs, attributes, domain in self.nodes]
        tensors = [value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value), name)
                   for name, value in self.constants.items()]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(self.shape))
        y = helper.make_tensor_value_info("y", self.output, None)
        graph = helper.make_graph(nodes, "c", [x], [y], tensors)
        sets = [helper.make_opsetid("", self.opset)]
        if any(node[4] == MICROSOFT for node in self.nodes):
            sets.append(helper.make_opsetid(MICROSOFT, 1))
        if self.functions:
            sets.append(helper.make_opsetid("own", 1))
        model = helper.make_model(graph, opset_imports=sets, functions=list(self.functions))
        model.ClearField("producer_name")
        model.ir_version = 8 if self.opset <= 18 else 9 if self.opset <= 20 else 10
        return model.SerializeToString()


def floats(*shape, seed=1):
    """Numbers of [-1, 1] in steps of 1/8."""
    return (np.random.RandomState(seed).randint(-8, 9, size=shape) / 8).astype(np.float32)


def positive(nodes, constants=None, **more):
    """The nodes behind x * 0.25 + 0.75 (from 0.25 up), named "p"."""
    before = [("Mul", ["x", "quarter"], ["scaled"], {}), ("Add", ["scaled", "above"], ["p"], {})]
    constants = dict(constants or {}, quarter=np.float32(0.25), above=np.float32(0.75))
    return before + nodes, constants


def int64(*numbers):
    return np.array(numbers, np.int64)


def functions():
    plain = [("Relu", {}, (7, 13, 14)), ("LeakyRelu", {}, (7, 16)), ("LeakyRelu", {"alpha": 0.3}, (7, 16)),
             ("Sigmoid", {}, (7, 13)), ("Tanh", {}, (7, 13)), ("Softplus", {}, (7,)), ("Softsign", {}, (7,)),
             ("Elu", {}, (7,)), ("Elu", {"alpha": 0.5}, (7,)), ("Selu", {}, (7,)),
             ("Selu", {"alpha": 1.5, "gamma": 0.75}, (7,)), ("Celu", {}, (12,)), ("Celu", {"alpha": 2.0}, (12,)),
             ("HardSigmoid", {}, (7,)), ("HardSigmoid", {"alpha": 0.5, "beta": 0.25}, (7,)), ("HardSwish", {}, (14,)),
             ("ThresholdedRelu", {}, (10,)), ("ThresholdedRelu", {"alpha": 0.5}, (10,)), ("Mish", {}, (18,)),
             ("Erf", {}, (9, 13)), ("Exp", {}, (7, 13)), ("Abs", {}, (7, 13)), ("Neg", {}, (7, 13)), ("Sin", {}, (7,)),
             ("Cos", {}, (7,)), ("Gelu", {}, (20,)), ("Gelu", {"approximate": "tanh"}, (20,)),
             ("Identity", {}, (7, 16)), ("Clip", {"min": -0.5, "max": 0.75}, (7,)), ("Clip", {"min": 0.0}, (7,)),
             ("Clip", {"max": 0.25}, (7,)), ("Clip", {}, (7, 11, 13))]
    for op, attributes, opsets in plain:
        for opset in opsets:
            yield Case(f"{op} {attributes}", opset, [(op, ["x"], ["y"], attributes)])
    for op, opsets in (("Log", (7, 13)), ("Sqrt", (7, 13)), ("Reciprocal", (7, 13))):
        for opset in opsets:
            yield Case(op, opset, *positive([(op, ["p"], ["y"], {})]))
    for opset, (low, high) in itertools.product((11, 12, 13), ((-0.5, 0.75), (None, 0.5), (0.0, None), (0.0, 6.0))):
        bounds = {name: np.float32(v) for name, v in (("low", low), ("high", high)) if v is not None}
        inputs = ["x", "low" if low is not None else "", "high"][: 3 if high is not None else 2]
        yield Case(f"Clip {low} {high}", opset, [("Clip", inputs, ["y"], {})], bounds)
    for opset, shape in itertools.product((7, 9, 16), ((1,), (2, 1, 1), (1, 2, 1, 1), (4,), (2, 4, 4))):
        yield Case(f"PRelu {shape}", opset, [("PRelu", ["x", "slope"], ["y"], {})], {"slope": floats(*shape)})
    yield Case("Gelu of Microsoft", 13, [("Gelu", ["x"], ["y"], {}, MICROSOFT)])


def spelled():
    def case(name, nodes, constants, opset=13):
        return Case(name, opset, nodes, {k: np.float32(v) for k, v in constants.items()})

    yield case("SiLU", [("Sigmoid", ["x"], ["s"], {}), ("Mul", ["x", "s"], ["y"], {})], {})
    yield case("Mish spelt", [("Softplus", ["x"], ["s"], {}), ("Tanh", ["s"], ["t"], {}),
                              ("Mul", ["t", "x"], ["y"], {})], {})
    yield case("HardSwish of HardSigmoid", [("HardSigmoid", ["x"], ["h"], {"alpha": 1 / 6, "beta": 0.5}),
                                            ("Mul", ["x", "h"], ["y"], {})], {})
    yield case("HardSwish of Clip", [("Add", ["x", "three"], ["a"], {}), ("Clip", ["a", "zero", "six"], ["c"], {}),
                                     ("Mul", ["x", "c"], ["m"], {}), ("Div", ["m", "six"], ["y"], {})],
               {"three": 3, "zero": 0, "six": 6})
    yield case("GELU of Erf", [("Div", ["x", "root"], ["d"], {}), ("Erf", ["d"], ["e"], {}),
                               ("Add", ["e", "one"], ["a"], {}), ("Mul", ["x", "a"], ["m"], {}),
                               ("Mul", ["m", "half"], ["y"], {})], {"root": 2 ** 0.5, "one": 1, "half": 0.5})
    yield case("GELU of Tanh", [("Pow", ["x", "three"], ["p"], {}), ("Mul", ["p", "cubic"], ["c"], {}),
                                ("Add", ["x", "c"], ["i"], {}), ("Mul", ["i", "root"], ["r"], {}),
                                ("Tanh", ["r"], ["t"], {}), ("Add", ["t", "one"], ["a"], {}),
                                ("Mul", ["x", "a"], ["m"], {}), ("Mul", ["m", "half"], ["y"], {})],
               {"three": 3, "cubic": 0.044715, "root": (2 / np.pi) ** 0.5, "one": 1, "half": 0.5})
    yield case("quick GELU", [("Mul", ["x", "beta"], ["b"], {}), ("Sigmoid", ["b"], ["s"], {}),
                              ("Mul", ["x", "s"], ["y"], {})], {"beta": 1.702})
    for shifted, log in itertools.product((False, True), (False, True)):
        nodes = [("Flatten", ["x"], ["f"], {})]
        z = "f"
        if shifted:
            nodes += [("ReduceMax", ["f"], ["m"], {"axes": [1]}), ("Sub", ["f", "m"], ["z"], {})]
            z = "z"
        nodes += [("Exp", [z], ["e"], {}), ("ReduceSum", ["e", "axis"], ["s"], {})]
        nodes += [("Log", ["s"], ["l"], {}), ("Sub", [z, "l"], ["y"], {})] if log else [("Div", ["e", "s"], ["y"], {})]
        yield Case(f"Softmax spelt, shifted {shifted}, log {log}", 13, nodes, {"axis": int64(1)}, row=False)


def arithmetic():
    small = {"scalar": np.float32(0.75), "one": floats(1, seed=2) + np.float32(2), "last": floats(4, seed=3) + 2,
             "channel": floats(2, 1, 1, seed=4) + 2, "four": floats(1, 2, 1, 4, seed=5) + 2,
             "whole": floats(1, 2, 4, 4, seed=6) + 2}
    for op in ("Add", "Sub", "Mul", "Div"):
        for name, constant in small.items():
            yield Case(f"{op} x {name}", 7 if name == "last" else 13, [(op, ["x", "c"], ["y"], {})], {"c": constant})
            if op in ("Sub", "Div"):
                yield Case(f"{op} {name} x", 14, *positive([(op, ["c", "p"], ["y"], {})], {"c": constant}))
        yield Case(f"{op} of values", 14, *positive([(op, ["x", "p"], ["y"], {})]))
        yield Case(f"{op} of a small value and a constant", 13,
                   *positive([("ReduceMean", ["p"], ["m"], {"axes": [2, 3]}), (op, ["m", "c"], ["y"], {})],
                             {"c": small["whole"]}))
        yield Case(f"{op} of a value and its mean", 13,
                   *positive([("ReduceMean", ["p"], ["m"], {"axes": [1]}), (op, ["p", "m"], ["y"], {})]))
    for opset, exponent in itertools.product((7, 12, 13, 15), (2, 3, 0.5, -1)):
        yield Case(f"Pow {exponent}", opset, *positive([("Pow", ["p", "e"], ["y"], {})], {"e": np.float32(exponent)}))
    yield Case("Pow of an integer", 12, [("Pow", ["x", "e"], ["y"], {})], {"e": np.int64(3)})
    yield Case("Pow of a list of one", 13, [("Pow", ["x", "e"], ["y"], {})], {"e": np.array([2], np.float32)})
    inputs = {"a": ["x"], "b": ["x", "c"], "c": ["c", "x"], "d": ["x", "t", "x"], "e": ["x", "t", "c", "l"]}
    for op, opsets in (("Sum", (8, 13)), ("Mean", (8, 13)), ("Max", (8, 12, 13)), ("Min", (8, 12, 13))):
        for opset, names in itertools.product(opsets, inputs.values()):
            yield Case(f"{op} {','.join(names)}", opset,
                       [("Tanh", ["x"], ["t"], {}), ("Identity", ["t"], ["u"], {}), (op, names, ["y"], {})],
                       {"c": floats(2, 1, 1, seed=7), "l": floats(4, seed=8)})
    mask = np.array([True, False, True, True])
    for opset in (9, 16):
        yield Case("Where of values", opset, [("Tanh", ["x"], ["t"], {}), ("Where", ["m", "x", "t"], ["y"], {})],
            {"m": mask})
        yield Case("Where of a number", opset, [("Where", ["m", "x", "n"], ["y"], {})],
            {"m": mask, "n": np.float32(-0.5)})
    yield Case("Where of a row", 16, [("Where", ["m", "r", "x"], ["y"], {})], {"m": mask, "r": floats(4)})
    yield Case("Where of an image, a mask of a channel", 16, [("Where", ["m", "r", "x"], ["y"], {})],
               {"m": np.array([[[True]], [[False]]]), "r": floats(2, 4, 4)})
