# SPDX-License-Identifier: Apache-2.0
"""Moves of elements, shapes and quantised operators of the conformance test; see cases.py."""
import itertools

import numpy as np
from onnx import TensorProto, helper

from cases import MICROSOFT, Case, floats, int64


def shapes():
    for axis, opset in itertools.product((0, 1, 2, 4, -1), (9, 11)):
        if axis < 0 and opset == 9:
            continue
        yield Case(f"Flatten {axis}", opset, [("Flatten", ["x"], ["f"], {"axis": axis}), ("Tanh", ["f"], ["y"], {})])
    for to, opset in itertools.product(((0, -1), (1, 4, 8), (1, 2, 16), (0, 0, 16), (-1, 1, 2), (1, 8, 2, 2)),
        (7, 14, 19)):
        yield Case(f"Reshape {to}", opset, [("Reshape", ["x", "to"], ["r"], {}),
            ("ReduceMax", ["r"], ["m"], {"axes": [1]}
                                             if opset < 18 else {}), ("Sub", ["r",
                                                 "m"], ["y"], {})], {"to": int64(*to)})
    yield Case("Reshape allowzero", 14, [("Reshape", ["x", "to"], ["y"], {"allowzero": 1})], {"to": int64(1, -1, 8)})
    thin = (1, 3, 1, 4)
    for axes, opset in itertools.product(([2], [-2], None), (7, 11, 13)):
        if axes and axes[0] < 0 and opset == 7:
            continue
        given = {} if axes is None or opset >= 13 else {"axes": axes}
        inputs = ["x", "axes"] if axes and opset >= 13 else ["x"]
        yield Case(f"Squeeze {axes}", opset, [("Squeeze", inputs, ["q"], given),
            ("Softmax", ["q"], ["y"], {"axis": 1})],
                   {"axes": int64(*(axes or [2]))}, thin)
    for axes, opset in itertools.product(([1], [0, 3], [-1]), (7, 11, 13)):
        if axes[0] < 0 and opset == 7:
            continue
        given, inputs = ({"axes": axes}, ["x"]) if opset < 13 else ({}, ["x", "axes"])
        yield Case(f"Unsqueeze {axes}", opset, [("Unsqueeze", inputs, ["y"], given)], {"axes": int64(*axes)}, (1, 3, 4))
    for order in itertools.permutations((1, 2, 3)):
        yield Case(f"Transpose {order}", 13, [("Transpose", ["x"], ["y"], {"perm": [0, *order]})], {}, (1, 2, 3, 4))
    yield Case("Transpose of images", 7, [("Transpose", ["x"], ["y"], {"perm": [1, 2, 0, 3]})], {}, (1, 2, 3, 4))
    yield Case("Transpose reversed", 13, [("Transpose", ["x"], ["y"], {})], {}, (1, 2, 3, 4))
    yield Case("Shape chain", 13, [("Shape", ["x"], ["s"], {}), ("Gather", ["s", "zero"], ["n"], {}),
                                   ("Unsqueeze", ["n", "axis"], ["u"], {}), ("Concat", ["u", "minus"], ["to"],
                                       {"axis": 0}),
                                   ("Reshape", ["x", "to"], ["y"], {})],
               {"zero": np.int64(0), "axis": int64(0), "minus": int64(-1)})
    yield Case("Shape of a part", 15, [("Shape", ["x"], ["s"], {"start": 1, "end": -1}),
        ("Concat", ["one", "s", "minus"], ["to"], {"axis": 0}),
                                       ("Reshape", ["x", "to"], ["r"], {}), ("Transpose", ["r"], ["y"],
                                           {"perm": [0, 2, 1, 3]})],
               {"one": int64(1), "minus": int64(-1)}, (1, 2, 3, 4))
    yield Case("Size", 13, [("Size", ["x"], ["s"], {}), ("Cast", ["s"], ["f"], {"to": 1}),
        ("Div", ["x", "f"], ["y"], {})])
    yield Case("ConstantOfShape, Range", 11, [("Range", ["a", "b", "c"], ["r"], {}),
        ("ConstantOfShape", ["four"], ["z"], {}),
                                              ("Add", ["r", "z"], ["s"], {}), ("Mul", ["x", "s"], ["y"], {})],
               {"a": np.float32(1), "b": np.float32(5), "c": np.float32(1), "four": int64(4)})
    yield Case("Expand of a mean", 13, [("ReduceMean", ["x"], ["m"], {"axes": [2, 3]}), ("Shape", ["x"], ["s"], {}),
                                        ("Expand", ["m", "s"], ["e"], {}), ("Mul", ["e", "x"], ["y"], {})])


def pieces():
    image = (1, 2, 3, 4)
    for axis, opset in itertools.product((1, 2, 3, -1), (7, 11, 13)):
        if axis < 0 and opset == 7:
            continue
        yield Case(f"Concat {axis}", opset, [("Tanh", ["x"], ["t"], {}),
            ("Concat", ["t", "x", "t"], ["y"], {"axis": axis})], {}, image)
    yield Case("Concat of one", 13, [("Concat", ["x"], ["y"], {"axis": 1})], {}, image)
    for names in (["c", "x"], ["x", "c"], ["c", "x", "c", "x"], ["x", "c", "c"]):
        yield Case(f"Concat {names}", 13, [("Concat", names, ["y"], {"axis": 2})], {"c": floats(1, 2, 2, 4)}, image)
    yield Case("Concat a token", 13, [("Concat", ["c", "x"], ["y"], {"axis": 1})], {"c": floats(1, 1, 4)}, (1, 5, 4))
    big = 2 ** 63 - 1
    slices = [([1], [3], [3], None), ([0, 1], [2, big], [1, 2], None), ([-3], [-1], [-1], None), ([0], [100], [3], [2]),
              ([3], [-100], [3], [-1]), ([-1, 0], [0, 2], [3, 2], [-2, 1]), ([0, 0, 1], [1, 2, 3], None, None)]
    for (starts, ends, axes, steps), opset in itertools.product(slices, (7, 10, 13)):
        if opset == 7:
            if steps is not None or min(axes or [0]) < 0:
                continue
            attributes = {"starts": starts, "ends": ends, **({"axes": axes} if axes else {})}
            yield Case(f"Slice {starts} {ends} {axes}", 9, [("Slice", ["x"], ["y"], attributes)], {}, image)
            continue
        constants = {"s": int64(*starts), "e": int64(*ends)}
        inputs = ["x", "s", "e"]
        if axes:
            constants["a"] = int64(*axes)
            inputs.append("a")
        if steps:
            constants["t"] = int64(*steps)
            inputs.append("t")
        yield Case(f"Slice {starts} {ends} {axes} {steps}", opset, [("Slice", inputs, ["y"], {})], constants, image)
    for axis, sizes, opset in itertools.product((3, -1), (None, [1, 3]), (7, 11, 13, 18)):
        if axis < 0 and opset == 7:
            continue
        attributes, inputs, constants = {"axis": axis}, ["x"], {}
        if sizes and opset >= 13:
            inputs, constants = ["x", "sizes"], {"sizes": int64(*sizes)}
        elif sizes:
            attributes["split"] = sizes
        elif opset >= 18:
            attributes["num_outputs"] = 2
        yield Case(f"Split {axis} {sizes}", opset, [("Split", inputs, ["a", "b"], attributes),
                                                    ("Concat", ["b", "a"], ["y"], {"axis": 3})], constants, image)
    yield Case("Split unevenly", 18, [("Split", ["x"], ["a", "b", "c"], {"axis": 3, "num_outputs": 3}),
                                      ("Concat", ["c", "b", "a"], ["y"], {"axis": 3})], {}, (1, 2, 3, 5))
    for axis, index, opset in itertools.product((1, 2, 3, -1),
        (int64(1, 0), np.int64(-1), np.array([[0, 1], [1, 1]], np.int64)), (7, 13)):
        if opset == 7 and (axis < 0 or np.min(index) < 0):
            continue
        yield Case(f"Gather {axis} {index.tolist()}", opset, [("Gather", ["x", "i"], ["y"], {"axis": axis})],
            {"i": index}, image)


def frames():
    image = (1, 2, 3, 4)
    pads = {"space": [0, 0, 1, 2, 0, 0, 0, 1], "channels": [0, 1, 0, 0, 0, 2, 0, 0], "less": [0, 0, -1, 0, 0, 0, 0, -2],
            "mixed": [0, 0, -1, 2, 0, 0, 0, 0]}
    for (name, numbers), mode, opset in itertools.product(pads.items(), ("constant", "reflect", "edge", "wrap"),
        (7, 11, 13, 19)):
        if (mode == "wrap" and opset < 19) or (mode != "constant" and name != "space"):
            continue
        if opset == 7:
            yield Case(f"Pad {name} {mode}", 10, [("Pad", ["x"], ["y"], {"pads": numbers, "mode": mode})], {}, image)
            continue
        yield Case(f"Pad {name} {mode}", opset, [("Pad", ["x", "p"], ["y"], {"mode": mode})], {"p": int64(*numbers)},
            image)
    yield Case("Pad with a number", 10, [("Pad", ["x"], ["y"], {"pads": pads["space"], "value": 1.5})], {}, image)
    yield Case("Pad with a number", 13, [("Pad", ["x", "p", "v"], ["y"], {})],
        {"p": int64(*pads["space"]), "v": np.float32(-2)}, image)
    yield Case("Pad of axes", 18, [("Pad", ["x", "p", "", "a"], ["y"], {})],
        {"p": int64(2, 1, 0, 1), "a": int64(-1, 1)}, image)
    yield Case("Pad reflecting channels", 13, [("Pad", ["x", "p"], ["y"], {"mode": "reflect"})],
        {"p": int64(0, 1, 2, 3, 0, 0, 1, 2)}, image)
    yield Case("Expand", 8, [("Expand", ["x", "s"], ["y"], {})], {"s": int64(1, 3, 2, 4)}, (1, 3, 1, 4))
    yield Case("Expand by rank", 13, [("Expand", ["x", "s"], ["y"], {})], {"s": int64(2, 1, 3)}, (1, 3))
    yield Case("Tile", 7, [("Tile", ["x", "r"], ["y"], {})], {"r": int64(1, 2, 1, 3)}, image)
    yield Case("Tile", 13, [("Tile", ["x", "r"], ["y"], {})], {"r": int64(1, 1, 2, 1)}, image)
    twice = np.array([1, 1, 2, 3], np.float32)
    yield Case("Upsample", 7, [("Upsample", ["x"], ["y"], {"scales": twice.tolist()})], {}, image)
    yield Case("Upsample", 9, [("Upsample", ["x", "s"], ["y"], {})], {"s": twice}, image)
    yield Case("Resize", 10, [("Resize", ["x", "s"], ["y"], {})], {"s": twice}, image)
    empty = np.zeros(0, np.float32)
    ways = ("half_pixel", "pytorch_half_pixel", "asymmetric")
    for way, rounding, opset in itertools.product(ways, ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
        (11, 19)):
        yield Case(f"Resize {way} {rounding}", opset, [("Resize", ["x", "none", "s"], ["y"], {
            "coordinate_transformation_mode": way, "nearest_mode": rounding})], {"s": twice, "none": empty}, image)
    yield Case("Resize tf_half_pixel_for_nn", 11, [("Resize", ["x", "none", "s"], ["y"], {
        "coordinate_transformation_mode": "tf_half_pixel_for_nn"})], {"s": twice, "none": empty}, image)
    for opset in (11, 13, 18):
        yield Case("Resize to sizes", opset, [("Resize",
            ["x", "none" if opset < 13 else "", "none" if opset < 13 else "", "z"], ["y"], {})],
                   {"z": int64(1, 2, 6, 8), "none": empty}, image)
    yield Case("Resize of axes", 18, [("Resize", ["x", "", "s"], ["y"], {"axes": [2, 3]})],
        {"s": np.array([2, 2], np.float32)}, image)
    deep = (1, 8, 2, 3)
    yield Case("DepthToSpace", 7, [("DepthToSpace", ["x"], ["y"], {"blocksize": 2})], {}, deep)
    for mode, opset in itertools.product(("DCR", "CRD"), (11, 13)):
        yield Case(f"DepthToSpace {mode}", opset, [("DepthToSpace", ["x"], ["y"], {"blocksize": 2, "mode": mode})], {},
            deep)
    for opset in (7, 13):
        yield Case("SpaceToDepth", opset, [("SpaceToDepth", ["x"], ["y"], {"blocksize": 2})], {}, (1, 2, 4, 6))
    yield Case("Dropout", 7, [("Dropout", ["x"], ["y"], {"ratio": 0.5})], {}, image)
    yield Case("Dropout", 10, [("Dropout", ["x"], ["y"], {"ratio": 0.5})], {}, image)
    yield Case("Dropout", 12, [("Dropout", ["x", "r"], ["y"], {})], {"r": np.float32(0.5)}, image)
    yield Case("Dropout", 13, [("Dropout", ["x", "r", "t"], ["y", "mask"], {})],
        {"r": np.float32(0.5), "t": np.array(False)}, image)
    for opset in (7, 9, 13):
        yield Case("Cast", opset, [("Cast", ["x"], ["d"], {"to": 11}), ("Cast", ["d"], ["y"], {"to": 1})], {}, image)


def layouts():
    """Channels last inside, shuffles of channels, inputs of other ranks."""
    yield Case("channels last", 13, [("Transpose", ["x"], ["t"], {"perm": [0, 3, 1, 2]}),
        ("Conv", ["t", "w"], ["c"], {}),
                                     ("Transpose", ["c"], ["l"], {"perm": [0, 2, 3, 1]}), ("Add", ["l", "b"], ["a"],
                                         {}),
                                     ("Relu", ["a"], ["r"], {}), ("Transpose", ["r"], ["f"], {"perm": [0, 3, 1, 2]}),
                                     ("Conv", ["f", "v"], ["y"], {})],
               {"w": floats(4, 3, 2, 2), "b": floats(4), "v": floats(2, 4, 1, 1, seed=3)}, (1, 5, 6, 3))
    yield Case("channels shuffled", 13, [("Conv", ["x", "w"], ["c"], {}), ("Reshape", ["c", "apart"], ["r"], {}),
                                         ("Transpose", ["r"], ["t"], {"perm": [0, 2, 1, 3, 4]}), ("Reshape",
                                             ["t", "whole"], ["s"], {}),
                                         ("Conv", ["s", "v"], ["y"], {})],
               {"w": floats(6, 2, 1, 1), "apart": int64(0, 2, 3, 4, 4), "whole": int64(0, 6, 4, 4),
                   "v": floats(2, 6, 3, 3, seed=2)})
    yield Case("channels last into a dense layer", 13,
               [("Transpose", ["x"], ["t"], {"perm": [0, 2, 3, 1]}), ("Reshape", ["t", "row"], ["r"], {}),
                   ("Gemm", ["r", "w"], ["y"], {})],
               {"row": int64(0, -1), "w": floats(32, 3)})
    yield Case("features", 13, [("Gemm", ["x", "w"], ["y"], {})], {"w": floats(5, 3)}, (1, 5))
    yield Case("features as a picture", 13, [("Reshape", ["x", "row"], ["r"], {}), ("MatMul", ["r", "w"], ["y"], {})],
               {"row": int64(1, -1), "w": floats(5, 3)}, (1, 1, 1, 5))
    half = helper.make_tensor("w", TensorProto.FLOAT16, [2], np.array([0.5, -1.25], np.float16).tobytes(), raw=True)
    yield Case("weights of 16 bits", 13, [("Cast", ["w"], ["f"], {"to": 1}), ("Mul", ["x", "f"], ["y"], {})],
        {"w": half}, (1, 3, 2))
    short = helper.make_tensor("w", TensorProto.BFLOAT16, [2], np.array([0x3F00, 0xBFA0], np.uint16).tobytes(),
        raw=True)
    yield Case("weights of BFLOAT16", 13, [("Cast", ["w"], ["f"], {"to": 1}), ("Mul", ["x", "f"], ["y"], {})],
        {"w": short}, (1, 3, 2))
    yield Case("weights of 64 bits", 13, [("Cast", ["w"], ["f"], {"to": 1}), ("Mul", ["x", "f"], ["y"], {})],
               {"w": np.array([0.5, -1.25])}, (1, 3, 2))
    scaled = helper.make_function(
        "own", "Scaled", ["v"], ["o"],
        [helper.make_node("Constant", [], ["k"], value_float=0.5), helper.make_node("Mul", ["v", "k"], ["m"]),
         helper.make_node("Relu", ["m"], ["o"])], [helper.make_opsetid("", 13)])
    yield Case("functions of the file", 13, [("Scaled", ["x"], ["a"], {}, "own"), ("Neg", ["x"], ["n"], {}),
                                             ("Scaled", ["n"], ["b"], {}, "own"), ("Sub", ["a", "b"], ["y"],
                                                 {})], functions=[scaled])


def quantized():
    """Inputs on a grid of 1/4 and sums that the integers hold, so that no number is rounded."""
    quarter, zero = np.float32(0.25), np.uint8(128)
    scale = {"s": quarter, "z": zero}
    def integers(*shape, seed=1):
        return np.random.RandomState(seed).randint(-2, 3, size=shape).astype(np.int8)

    def case(name, opset, nodes, constants, shape=(1, 2, 3, 3)):
        nodes = [("QuantizeLinear", ["x", "s", "z"], ["q"], {}), *nodes]
        return Case(name, opset, nodes, {**scale, **constants}, shape, grid=4)

    def back(name="r", s="s", z="z"):
        return ("DequantizeLinear", [name, s, z], ["y"], {})

    for opset in (10, 13, 19, 21):
        yield case("QuantizeLinear", opset, [back("q")], {})
    # Of a negative number: the input itself is taken to be pixels, which are not below 0.
    yield case("QuantizeLinear as a Relu", 13, [("DequantizeLinear", ["q", "s", "z"], ["e"], {}),
        ("Neg", ["e"], ["d"], {}),
                                                ("QuantizeLinear", ["d", "s", "none"], ["r"], {}), back("r", "s",
                                                    "none")], {"none": np.uint8(0)})
    yield case("QuantizeLinear of INT8", 13, [("DequantizeLinear", ["q", "s", "z"], ["d"], {}),
                                              ("QuantizeLinear", ["d", "s", "i"], ["r"], {}), back("r", "s",
                                                  "i")], {"i": np.int8(-3)})
    yield case("DequantizeLinear of weights", 13, [("DequantizeLinear", ["q", "s", "z"], ["d"], {}),
                                                   ("DequantizeLinear", ["w", "ws", "wz"], ["f"],
                                                       {"axis": 0}), ("Conv", ["d", "f"], ["y"], {})],
               {"w": integers(3, 2, 2, 2), "ws": np.array([0.5, 0.25, 1], np.float32),
                   "wz": np.array([0, 1, -1], np.int8)})
    conv = {"w": integers(2, 2, 2, 2), "ws": np.float32(0.5), "wz": np.int8(0), "ys": np.float32(0.125),
        "yz": np.uint8(120)}
    names = ["q", "s", "z", "w", "ws", "wz", "ys", "yz"]
    yield case("QLinearConv", 10, [("QLinearConv", names, ["r"], {}), back("r", "ys", "yz")], conv)
    yield case("QLinearConv with a bias and pads", 13,
        [("QLinearConv", [*names, "b"], ["r"], {"pads": [1, 1, 0, 0]}), back("r", "ys", "yz")],
               {**conv, "b": np.array([16, -24], np.int32)})
    yield case("QLinearConv by channel", 13, [("QLinearConv", [*names, "b"], ["r"], {}), back("r", "ys", "yz")],
               {**conv, "ws": np.array([0.5, 1], np.float32), "wz": np.array([0, 0], np.int8),
                   "b": np.array([16, -24], np.int32)})
    yield case("QLinearConv as a Relu", 13, [("QLinearConv", names, ["r"], {}), back("r", "ys", "yz")],
        {**conv, "yz": np.uint8(0)})
    dense = {"w": integers(6, 3), "ws": np.float32(0.5), "wz": np.int8(1), "ys": np.float32(0.125), "yz": np.uint8(120)}
    for opset in (10, 21):
        yield case("QLinearMatMul", opset, [("QLinearMatMul", names, ["r"], {}), back("r", "ys", "yz")], dense, (1, 6))
    yield case("ConvInteger", 10, [("ConvInteger", ["q", "w", "z", "wz"], ["i"], {}),
        ("Cast", ["i"], ["f"], {"to": 1}), ("Mul", ["f", "e"], ["y"], {})],
               {"w": integers(2, 2, 2, 2).astype(np.int8).view(np.uint8) % 5, "wz": np.uint8(2),
                   "e": np.float32(0.125)})
    yield case("MatMulInteger", 10, [("MatMulInteger", ["q", "w", "z", "wz"], ["i"], {}),
        ("Cast", ["i"], ["f"], {"to": 1}), ("Mul", ["f", "e"], ["y"], {})],
               {"w": integers(6, 3), "wz": np.int8(1), "e": np.float32(0.125)}, (1, 6))

    def own(op, inputs, attributes=None):
        return (op, inputs, ["r"], attributes or {}, MICROSOFT)

    two = {"k": np.random.RandomState(2).randint(120, 136, size=(1, 2, 3, 3)).astype(np.uint8), "ks": np.float32(0.5),
        "kz": np.uint8(126)}
    half = {"ys": np.float32(0.25), "yz": np.uint8(100)}
    yield case("QLinearAdd", 13, [own("QLinearAdd", ["q", "s", "z", "q", "s", "z", "ys", "yz"]),
        back("r", "ys", "yz")], half)
    yield case("QLinearAdd of a constant", 13, [own("QLinearAdd", ["q", "s", "z", "k", "ks", "kz", "ys", "yz"]),
        back("r", "ys", "yz")], {**two, **half})
    yield case("QLinearMul of a constant", 13, [own("QLinearMul", ["q", "s", "z", "k", "ks", "kz", "ys", "yz"]),
        back("r", "ys", "yz")],
               {**two, "ys": np.float32(0.125), "yz": np.uint8(128)})
    yield case("QLinearGlobalAveragePool", 13, [own("QLinearGlobalAveragePool", ["q", "s", "z", "ys", "yz"],
        {"channels_last": 0}), back("r", "ys", "yz")],
               {"ys": np.float32(0.0625), "yz": np.uint8(128)}, (1, 2, 2, 2))
    yield case("QLinearAveragePool", 13, [own("QLinearAveragePool", ["q", "s", "z", "ys", "yz"],
        {"kernel_shape": [2, 2]}), back("r", "ys", "yz")],
               {"ys": np.float32(0.0625), "yz": np.uint8(128)})
    yield case("QLinearLeakyRelu", 13, [own("QLinearLeakyRelu", ["q", "s", "z", "ys", "yz"], {"alpha": 0.25}),
        back("r", "ys", "yz")],
               {"ys": np.float32(0.0625), "yz": np.uint8(100)})
    yield case("QLinearConcat", 13, [own("QLinearConcat", ["ys", "yz", "q", "s", "z", "q", "s", "z"], {"axis": 1}),
        back("r", "ys", "yz")], half)
    gemm = {"w": integers(6, 3), "ws": np.float32(0.5), "wz": np.int8(0), "b": np.array([8, -16, 24], np.int32)}
    yield case("QGemm", 13, [own("QGemm", ["q", "s", "z", "w", "ws", "wz", "b", "ys", "yz"]), back("r", "ys", "yz")],
               {**gemm, "ys": np.float32(0.125), "yz": np.uint8(120)}, (1, 6))
    yield case("QGemm to floats", 13, [("QGemm", ["q", "s", "z", "w", "ws", "wz", "b"], ["y"], {}, MICROSOFT)], gemm,
        (1, 6))
    yield case("QGemm transposed", 13, [("QGemm", ["q", "s", "z", "t", "ws", "wz"], ["y"], {"transB": 1, "alpha": 0.5},
        MICROSOFT)],
               {"t": integers(3, 6), "ws": np.array([0.5, 0.25, 1], np.float32), "wz": np.zeros(3, np.int8)}, (1, 6))
