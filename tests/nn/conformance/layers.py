# SPDX-License-Identifier: Apache-2.0
"""Layers, pools and reductions of the conformance test; see cases.py."""
import itertools

import numpy as np

from cases import Case, floats, int64, positive


def convolutions():
    wide = (1, 2, 5, 6)
    variants = [({}, (3, 2, 3, 2), wide), ({"kernel_shape": [3, 2], "strides": [2, 1]}, (3, 2, 3, 2), wide),
                ({"pads": [1, 0, 2, 1]}, (3, 2, 3, 2), wide), ({"dilations": [2, 2], "pads": [1, 1, 1, 1]},
                    (3, 2, 3, 2), wide),
                ({"group": 2}, (4, 1, 2, 2), wide), ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (3, 2, 2, 3), wide),
                ({"auto_pad": "SAME_LOWER", "strides": [1, 1]}, (3, 2, 2, 2), wide), ({"auto_pad": "VALID"},
                    (3, 2, 3, 3), wide),
                ({"pads": [1, 2], "strides": [2]}, (3, 2, 3), (1, 2, 9)), ({"dilations": [2], "group": 2}, (4, 1, 2),
                    (1, 2, 9)),
                ({"auto_pad": "SAME_LOWER"}, (2, 2, 4), (1, 2, 7))]
    for (attributes, weight, shape), opset in itertools.product(variants, (7, 11)):
        yield Case(f"Conv {attributes}", opset, [("Conv", ["x", "w", "b"], ["y"], attributes)],
                   {"w": floats(*weight), "b": floats(weight[0], seed=9)}, shape)
    yield Case("Conv without a bias", 22, [("Conv", ["x", "w"], ["y"], {})], {"w": floats(2, 2, 1, 1)})
    small = (1, 2, 3, 4)
    variants = [({}, (2, 3, 3, 2), small), ({"strides": [2, 3]}, (2, 3, 3, 2), small),
                ({"strides": [2, 2], "pads": [1, 1, 1, 0]}, (2, 3, 3, 3), small),
                ({"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, (2, 3, 3, 3), small),
                ({"dilations": [2, 2]}, (2, 3, 2, 2), small), ({"group": 2}, (2, 3, 2, 2), small),
                ({"strides": [2, 2], "output_shape": [7, 8]}, (2, 3, 3, 3), small),
                ({"strides": [2, 2], "output_shape": [6, 7], "auto_pad": "SAME_UPPER"}, (2, 3, 3, 3), small),
                ({"strides": [2, 2], "auto_pad": "SAME_UPPER"}, (2, 3, 3, 3), small),
                ({"strides": [2, 2], "auto_pad": "SAME_LOWER"}, (2, 3, 3, 3), small),
                ({"pads": [2, 2, 2, 2]}, (2, 3, 2, 2), (1, 2, 6, 6)),
                ({"strides": [3], "pads": [1, 0]}, (2, 3, 4), (1, 2, 5)),
                ({"strides": [2], "output_padding": [1], "group": 2}, (2, 2, 3), (1, 2, 5))]
    for (attributes, weight, shape), opset in itertools.product(variants, (7, 11)):
        outputs = weight[1] * attributes.get("group", 1)
        yield Case(f"ConvTranspose {attributes}", opset, [("ConvTranspose", ["x", "w", "b"], ["y"], attributes)],
                   {"w": floats(*weight), "b": floats(outputs, seed=9)}, shape)


def dense():
    row = (1, 6)
    biases = {"none": None, "row": floats(3, seed=2), "matrix": floats(1, 3, seed=3), "number": np.float32(0.5),
        "one": floats(1)}
    for (name, bias), transposed, opset in itertools.product(biases.items(), (0, 1), (7, 11, 13)):
        if bias is None and opset == 7:
            continue
        constants = {"w": floats(3, 6) if transposed else floats(6, 3)}
        if bias is not None:
            constants["b"] = bias
        scale = {"alpha": 0.5, "beta": 2.0} if name in ("row", "number") else {}
        yield Case(f"Gemm bias {name} transB {transposed}", opset,
                   [("Gemm", ["x", *constants], ["y"], {"transB": transposed, **scale})], constants, row)
    yield Case("MatMul", 9, [("MatMul", ["x", "w"], ["y"], {})], {"w": floats(6, 3)}, row)
    yield Case("MatMul of many rows", 13, [("MatMul", ["x", "w"], ["y"], {})], {"w": floats(4, 3)}, (1, 5, 4))
    yield Case("MatMul of a picture's rows", 13, [("MatMul", ["x", "w"], ["y"], {})], {"w": floats(4, 3)})
    yield Case("MatMul with an axis of one", 13, [("MatMul", ["x", "w"], ["y"], {})], {"w": floats(1, 4, 3)}, (1, 5, 4))
    yield Case("MatMul with a vector", 13, [("MatMul", ["x", "w"], ["y"], {})], {"w": floats(4)}, (1, 5, 4))
    yield Case("MatMul from the left", 13, [("MatMul", ["w", "x"], ["y"], {})], {"w": floats(3, 5)}, (1, 5, 4))
    yield Case("MatMul of values", 13, [("Transpose", ["x"], ["t"], {"perm": [0, 1, 3, 2]}),
                                        ("MatMul", ["x", "t"], ["y"], {})], {}, (1, 2, 3, 4))
    yield Case("attention", 13, [("MatMul", ["x", "q"], ["a"], {}), ("MatMul", ["x", "k"], ["b"], {}),
                                 ("Transpose", ["b"], ["t"], {"perm": [0, 2, 1]}), ("MatMul", ["a", "t"], ["s"], {}),
                                 ("Softmax", ["s"], ["p"], {"axis": -1}), ("MatMul", ["p", "x"], ["y"], {})],
               {"q": floats(4, 3), "k": floats(4, 3, seed=2)}, (1, 5, 4))


def normalizations():
    for (shape, opset) in itertools.product(((1, 2, 4, 4), (1, 5), (1, 3, 4)), (7, 9, 14, 15)):
        channels = shape[1]
        yield Case(f"BatchNormalization {shape}", opset,
                   [("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], {"epsilon": 0.01})],
                   {"s": floats(channels), "b": floats(channels, seed=2), "m": floats(channels, seed=3),
                    "v": np.abs(floats(channels, seed=4)) + np.float32(0.25)}, shape)
    for size, opset in itertools.product((1, 3, 5), (7, 13)):
        yield Case(f"LRN {size}", opset, [("LRN", ["x"], ["y"],
            {"size": size, "alpha": 0.3, "beta": 0.6, "bias": 1.5})],
                   {}, (1, 6, 2, 2))
    yield Case("LRN by default", 13, [("LRN", ["x"], ["y"], {"size": 3})], {}, (1, 6, 2, 2))
    for shape in ((1, 2, 4, 4), (1, 3, 5)):
        yield Case(f"InstanceNormalization {shape}", 7,
            [("InstanceNormalization", ["x", "s", "b"], ["y"], {"epsilon": 0.1})],
                   {"s": floats(shape[1]) + 2, "b": floats(shape[1], seed=2)}, shape)
    for axis, sizes in ((-1, (4,)), (2, (3, 4)), (1, (2, 3, 4)), (-2, (3, 4))):
        yield Case(f"LayerNormalization {axis}", 17, [("LayerNormalization", ["x", "s", "b"], ["y"], {"axis": axis})],
                   {"s": floats(*sizes) + 2, "b": floats(*sizes, seed=2)}, (1, 2, 3, 4))
    yield Case("LayerNormalization without a bias", 17, [("LayerNormalization", ["x", "s"], ["y"], {"epsilon": 0.1})],
               {"s": floats(4) + 2}, (1, 5, 4))
    for groups in (1, 2, 4):
        yield Case(f"GroupNormalization {groups}", 21,
                   [("GroupNormalization", ["x", "s", "b"], ["y"], {"num_groups": groups, "epsilon": 0.01})],
                   {"s": floats(4) + 2, "b": floats(4, seed=2)}, (1, 4, 2, 3))
        yield Case(f"GroupNormalization {groups}", 18,
                   [("GroupNormalization", ["x", "s", "b"], ["y"], {"num_groups": groups})],
                   {"s": floats(groups) + 2, "b": floats(groups, seed=2)}, (1, 4, 2, 3))
    for opset in (9, 13):
        yield Case("MeanVarianceNormalization", opset, [("MeanVarianceNormalization", ["x"], ["y"], {})])
        yield Case("MeanVarianceNormalization of all", opset,
            [("MeanVarianceNormalization", ["x"], ["y"], {"axes": [1, 2, 3]})])


def pools():
    image = (1, 2, 5, 6)
    windows = [{"kernel_shape": [2, 3]}, {"kernel_shape": [2, 2], "strides": [2, 2]},
               {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 0, 1, 2]},
               {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
               {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}, {"kernel_shape": [2, 2], "auto_pad": "VALID",
                   "strides": [3, 2]}]
    ceiling = [{"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
               {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
               {"kernel_shape": [3, 2], "strides": [3, 4], "pads": [0, 1, 0, 1], "ceil_mode": 1}]
    for op, opsets in (("MaxPool", (7, 8, 12)), ("AveragePool", (7, 11, 19))):
        for attributes, opset in itertools.product(windows, opsets):
            yield Case(f"{op} {attributes}", opset, [(op, ["x"], ["y"], attributes)], {}, image)
        for attributes, opset in itertools.product(ceiling, (10, 12, 19)):
            yield Case(f"{op} {attributes}", opset, [(op, ["x"], ["y"], attributes)], {}, image)
        yield Case(f"{op} of a row", 11, [(op, ["x"], ["y"], {"kernel_shape": [3], "strides": [2], "pads": [1, 0]})],
            {}, (1, 2, 8))
    for attributes in windows[2:4] + ceiling:
        yield Case(f"AveragePool {attributes} with pads", 19,
                   [("AveragePool", ["x"], ["y"], {"count_include_pad": 1, **attributes})], {}, image)
    yield Case("AveragePool with pads", 7, [("AveragePool", ["x"], ["y"], {"count_include_pad": 1, **windows[2]})], {},
        image)
    apart = {"kernel_shape": [2, 2], "dilations": [2, 3], "strides": [1, 2], "pads": [1, 1, 1, 1]}
    yield Case("MaxPool apart", 10, [("MaxPool", ["x"], ["y"], apart)], {}, image)
    yield Case("AveragePool apart", 19, [("AveragePool", ["x"], ["y"], apart)], {}, image)
    yield Case("AveragePool apart with pads", 19, [("AveragePool", ["x"], ["y"], {"count_include_pad": 1, **apart})],
        {}, image)
    for op, shape in itertools.product(("GlobalAveragePool", "GlobalMaxPool"), (image, (1, 3, 5))):
        yield Case(f"{op} {shape}", 7, [(op, ["x"], ["y"], {})], {}, shape)


def reductions():
    names = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL2", "ReduceLogSumExp")
    which = [None, [2, 3], [1], [-1], [1, 3], [-2, -1]]
    for op, axes in itertools.product(names, which):
        keep = int(axes in (None, [1], [-2, -1]))
        attributes = {"keepdims": keep} if axes is None else {"keepdims": keep, "axes": axes}
        if axes != [-2, -1]:
            yield Case(f"{op} {axes}", 7, [(op, ["x"], ["y"], attributes)], {}, (1, 2, 3, 4))
        if axes is not None:
            yield Case(f"{op} {axes}", 18, [(op, ["x", "axes"], ["y"], {"keepdims": 1 - keep})],
                {"axes": int64(*axes)}, (1, 2, 3, 4))
        if op != "ReduceSum" and axes in ([2, 3], [-1]):
            yield Case(f"{op} {axes}", 13, [(op, ["x"], ["y"], attributes)], {}, (1, 2, 3, 4))
    yield Case("ReduceSum of an input", 13, [("ReduceSum", ["x", "axes"], ["y"], {"keepdims": 0})],
        {"axes": int64(3, 1)}, (1, 2, 3, 4))
    yield Case("ReduceSum of nothing", 13, [("ReduceSum", ["x", "axes"], ["y"], {"noop_with_empty_axes": 1})],
               {"axes": np.zeros(0, np.int64)}, (1, 2, 3, 4))
    yield Case("ReduceMean of nothing", 18, [("ReduceMean", ["x"], ["y"], {"noop_with_empty_axes": 1})], {},
        (1, 2, 3, 4))


def softmaxes():
    for op, axis, opset in itertools.product(("Softmax", "LogSoftmax"), (None, 1, 2, -1), (7, 11, 13)):
        if axis == -1 and opset == 7:
            continue
        attributes = {} if axis is None else {"axis": axis}
        yield Case(f"{op} {axis}", opset, [(op, ["x"], ["s"], attributes), ("Add", ["s", "x"], ["y"], {})], {},
            (1, 2, 3, 4))
    for op, opset in itertools.product(("Softmax", "LogSoftmax", "Sigmoid"), (7, 13)):
        yield Case(f"{op} at the end", opset, [("Flatten", ["x"], ["f"], {}), (op, ["f"], ["y"], {})], {},
            (1, 2, 2, 2), row=False)
    yield Case("Log of Softmax at the end", 13,
               [("Flatten", ["x"], ["f"], {}), ("Softmax", ["f"], ["s"], {}), ("Log", ["s"], ["y"], {})], {}, (1, 2, 2,
                   2), row=False)
    for keep, axis in itertools.product((0, 1), (1, -1)):
        yield Case(f"ArgMax keep {keep} axis {axis}", 13,
                   [("Flatten", ["x"], ["f"], {}), ("ArgMax", ["f"], ["a"], {"axis": axis, "keepdims": keep}),
                    ("Cast", ["a"], ["y"], {"to": 1})], {}, (1, 2, 2, 2), row=False)
