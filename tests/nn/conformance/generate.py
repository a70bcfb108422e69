#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""generate.py MODULES: writes conformance.bin beside itself; README.md has the format and how to get MODULES."""
import base64
import json
import math
import pathlib
import struct
import subprocess
import sys

import cases
import layers
import moves

GROUPS = (cases.functions, cases.spelled, cases.arithmetic, layers.convolutions, layers.dense, layers.normalizations,
          layers.pools, layers.reductions, layers.softmaxes, moves.shapes, moves.pieces, moves.frames, moves.layouts,
          moves.quantized)


def field(data):
    return struct.pack("<I", len(data)) + data


def main():
    here = pathlib.Path(__file__).parent
    everything = [case for group in GROUPS for case in group()]
    questions = [{"model": base64.b64encode(c.bytes()).decode(), "x": c.x.tolist(),
        "shape": list(c.shape)} for c in everything]
    ran = subprocess.run(["node", here / "run.js", sys.argv[1]], input=json.dumps(questions).encode(),
        capture_output=True, check=True)
    answers = json.loads(ran.stdout)
    kept, names = [], set()
    for case, answer in zip(everything, answers):
        if isinstance(answer, str) or not all(v is not None and math.isfinite(v) for v in answer):
            print(f"left out: {case.name}: {answer if isinstance(answer, str) else 'not finite'}", file=sys.stderr)
            continue
        assert case.name not in names, case.name
        names.add(case.name)
        dims = struct.pack(f"<{len(case.shape)}i", *case.shape)
        numbers = struct.pack(f"<{len(answer)}f", *answer)
        fields = (case.name.encode(), case.bytes(), dims, case.x.tobytes(), numbers)
        kept.append(b"".join(field(data) for data in fields))
    data = struct.pack("<I", len(kept)) + b"".join(kept)
    (here / "conformance.bin").write_bytes(data)
    print(f"{len(kept)} networks, {len(everything) - len(kept)} left out, {len(data)} bytes")


if __name__ == "__main__":
    main()
