#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hardening_test.py PROGRAM...: every program is position independent, has its tables sealed before it starts, no
executable stack, canaries and checked copies."""
import subprocess
import sys


def readelf(option, program):
    return subprocess.run(["readelf", "-W", option, program], check=True, capture_output=True, text=True).stdout


def faults(program):
    headers, dynamic, segments = (readelf(option, program) for option in ("-h", "-d", "-l"))
    symbols = readelf("--dyn-syms", program)
    stack = [line for line in segments.splitlines() if "GNU_STACK" in line]
    checks = {
        "is not position independent": "DYN (Position-Independent" in headers,
        "has no RELRO segment": "GNU_RELRO" in segments,
        "binds symbols late (no BIND_NOW)": "BIND_NOW" in dynamic or "NOW" in dynamic.split("FLAGS_1")[-1],
        "has an executable stack": bool(stack) and "RWE" not in stack[0],
        "has no canaries": "__stack_chk_fail" in symbols,
        "has no checked copies (FORTIFY)": "_chk@" in symbols.replace("__stack_chk_fail@", ""),
    }
    return [f"{program} {sentence}" for sentence, holds in checks.items() if not holds]


def main():
    found = [fault for program in sys.argv[1:] for fault in faults(program)]
    print("\n".join(found) or f"{len(sys.argv) - 1} programs are hardened")
    return 1 if found or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
