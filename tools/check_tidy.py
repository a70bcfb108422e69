#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy (checks: .clang-tidy) over src/, from the compile commands of a build folder, on all cores.

  tools/check_tidy.py [BUILD-FOLDER [FILE-REGEX]]

The default is the unity build, where a header is parsed once for eight sources. What was clean is not read again until it,
a header of ours that it includes, the checks, the compile command or clang-tidy itself changes: BUILD-FOLDER/tidy-clean
has an empty file for each such state.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def includes_of(build: Path) -> dict[str, list[str]]:
    """Object file -> what it was compiled from, as ninja has it; empty where nothing was built yet."""
    listed = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True).stdout
    files: dict[str, list[str]] = {}
    for line in listed.splitlines():
        if line.startswith(" "):
            files[current].append(line.strip())
        elif ": #deps" in line and "(VALID)" in line:
            current = line.split(":")[0]
            files[current] = []
        else:
            current = ""
            files[current] = []
    return files


def object_of(entry: dict) -> str:
    words = shlex.split(entry["command"])
    return words[words.index("-o") + 1]


def state_of(entry: dict, files: list[str], common: bytes) -> str:
    """A name for all that clang-tidy's answer depends on."""
    digest = hashlib.sha256(common + entry["command"].encode())
    folder = Path(entry["directory"])
    for file in sorted({str((folder / f).resolve()) for f in [entry["file"], *files]}):
        if file.startswith(str(SOURCE)):
            digest.update(file.encode() + Path(file).read_bytes())
    return digest.hexdigest()


def findings(build: Path, file: str) -> list[str]:
    # clang does not know every warning of g++ that the compile commands name.
    command = ["clang-tidy", "-quiet", "-p", build, "-extra-arg=-Wno-unknown-warning-option", file]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode == 0:
        return []
    lines = [line for line in ESCAPES.sub("", run.stdout + run.stderr).splitlines() if re.search(r"(warning|error):", line)]
    return lines or [f"{file}: clang-tidy ended with {run.returncode}"]


def main() -> int:
    build = Path(sys.argv[1] if len(sys.argv) > 1 else SOURCE / "build/dev").resolve()
    if not (build / "compile_commands.json").is_file():
        print(f"check_tidy: {build}/compile_commands.json is absent; run: cmake --preset dev", file=sys.stderr)
        return 1
    # Left out: train/, since clang 14 does not parse libtorch's headers; simd.cpp, whose flags clang does not know (its
    # arithmetic is in headers that g++ compiles with all warnings); http/, whose coroutines clang 14 does not know with
    # g++'s library.
    default = rf"({SOURCE}|{build})/src/(?!train/|kernels/simd|http/(client|server)).*\.c(pp|xx)$"
    wanted = re.compile(sys.argv[2] if len(sys.argv) > 2 else default)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    common = version + (SOURCE / ".clang-tidy").read_bytes()
    includes = includes_of(build)
    clean = build / "tidy-clean"
    clean.mkdir(exist_ok=True)
    entries = [e for e in json.loads((build / "compile_commands.json").read_text()) if wanted.search(e["file"])]

    def check(entry: dict) -> tuple[bool, list[str]]:
        files = includes.get(object_of(entry))
        mark = clean / state_of(entry, files or [], common)
        if files and mark.exists():
            return True, []
        found = findings(build, entry["file"])
        if files and not found:
            mark.touch()
        return False, found

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(check, entries))
    found = sorted({line for _, lines in results for line in lines})
    if found:
        print("\n".join(found[:50]))
        print("check_tidy: clang-tidy has findings", file=sys.stderr)
        return 1
    if not entries:
        print(f"check_tidy: no source matches {wanted.pattern}", file=sys.stderr)
        return 1
    print(f"check_tidy: {len(entries)} units are clean, {sum(known for known, _ in results)} of them as they were before")
    return 0


if __name__ == "__main__":
    sys.exit(main())
