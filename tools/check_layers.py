#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the sources to the rules of the house that a compiler does not know.

  tools/check_layers.py [ROOT]

ROOT/tools/layers.txt names, for each folder of src/, the folders that it may include, bottom-up: a folder may name
only folders above its own line, so the table can hold no cycle. A line "folder/part" does the same for a folder within
a folder, whose neighbours it names without the folder. Checked besides: includes are written from src/,
the ungated parameters of the tests stay out of src/, libraries have no variables outside of objects, files stay short,
and every file names its licence first.
Prints one line a violation (file:line: sentence), then a summary; exits 1 where there was one.
"""

import pathlib
import re
import sys

MAX_LINES = 500
SOURCE_FOLDERS = ("src", "python", "tests", "bench", "fuzz", "tools", "cmake")
SOURCE_NAMES = {".h", ".cpp", ".py", ".sh", ".cmake"}
LICENCE = "SPDX-License-Identifier: Apache-2.0"
MAX_COLUMNS = 120
# Of a public contract: "/// errors  io" begins its line.
CONTRACT = re.compile(r"^\s*///.*[.;:)] (errors|cost|threads|noise|needs) {2,}\S")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
EVERYTHING = "*"
# Programs have variables outside of objects (signals need them), and so have threads, which are the process's.
WITH_GLOBALS = re.compile(r"^(cli/.*|.*/main\.cpp|base/parallel_threads\.cpp)$")
DECLARATION = re.compile(r"^(\s*)((?:[\w:]+[\s*&]+)+\w+)\s*(?:\[[^=;{(]*)?([;={(])")
NO_VARIABLE = re.compile(r"^(using|return|class|struct|enum|union|template|namespace|typedef|friend|extern|else|case|throw|"
                         r"goto|delete|new|concept|requires|operator|static_assert|public|private|protected)\b")


def read_table(path):
    """The table as {folder: set of folders it may include}, and what is wrong with it."""
    table, errors = {}, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        folder, colon, allowed = (part.strip() for part in line.partition(":"))
        where = f"{path}:{number}"
        if not colon or not folder or " " in folder:
            errors.append(f"{where}: expected 'folder : folders it may include'")
            continue
        if folder in table:
            errors.append(f"{where}: {folder} stands twice")
        names = allowed.split()
        outer, slash, _ = folder.rpartition("/")
        if slash and outer not in table:
            errors.append(f"{where}: {folder} stands above {outer}")
        if names == [EVERYTHING]:
            names = [name for name in table if "/" not in name]
        names = [outer + slash + name for name in names]
        for name in names:
            if name not in table:
                errors.append(f"{where}: {folder} may not include {name}, which is not above it (no cycles)")
        table[folder] = set(names) | {folder}
    return table, errors


def check_parts(folder, target, included, table):
    """What is wrong where a file of `folder`, which may be a part of a folder, includes another file of that folder."""
    if "/" not in folder:
        return None
    part = included.parent.as_posix()
    if part == target:
        return f"{folder} may not include {included}, which stands above it"
    if part in table and part not in table[folder]:
        allowed = " ".join(sorted(table[folder] - {folder})) or "nothing"
        return f"{folder} may not include {part} (it may include: {allowed})"
    return None


def check_includes(root, path, lines, table):
    """Violations of the arrows in one file of src/."""
    inside = path.relative_to(root / "src")
    if len(inside.parts) < 2:
        if path.suffix in (".h", ".cpp"):
            yield 1, "sources live in a folder of src/, never in src/ itself"
        return
    folder = inside.parts[0]
    place = inside.parent.as_posix()
    if place not in table:
        yield 1, f"folder src/{place} is not in tools/layers.txt"
        return
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        included = pathlib.PurePosixPath(match.group(1))
        target = included.parts[0]
        if len(included.parts) < 2 or ".." in included.parts or target not in table:
            yield number, f'"{included}" is not written from src/ ("folder/file.h")'
        elif target not in table[folder]:
            allowed = " ".join(sorted(table[folder] - {folder})) or "nothing"
            yield number, f"{folder} may not include {target} (it may include: {allowed})"
        elif target == folder and (wrong := check_parts(place, target, included, table)):
            yield number, wrong
        elif not (root / "src" / included).is_file():
            yield number, f'"{included}" does not exist'


def is_global(line):
    """Whether a line of C++ declares a variable outside of objects that may change: of a namespace (which begin in the
    first column), or static or of a thread anywhere. One that is made by parentheses passes for a function."""
    before = ""
    while before != line:
        before, line = line, re.sub(r"<[^<>;={]*>", "", line)
    match = DECLARATION.match(line)
    if not match or match.group(3) == "(" or NO_VARIABLE.match(match.group(2)):
        return False
    words = match.group(2)
    if match.group(1) and not re.search(r"\b(static|thread_local)\b", words):
        return False
    last = words.rpartition("*")[2] if "*" in words else words  # of a pointer it is what follows the star that counts
    return not re.search(r"\b(const|constexpr)\b", last) and not re.search(r"\bconstexpr\b", words)


def check_file(root, path, table):
    """Violations of one file as (line, sentence)."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if path.suffix in SOURCE_NAMES and not any(LICENCE in line for line in lines[:2]):
        yield 1, f"the first line must name the licence ({LICENCE})"
    if len(lines) > MAX_LINES:
        yield MAX_LINES + 1, f"{len(lines)} lines; a file has at most {MAX_LINES}"
    if path.suffix in (".h", ".cpp"):
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS and "//" in line:
                yield number, f"a comment of {len(line)} columns; {MAX_COLUMNS} are allowed"
            if CONTRACT.match(line):
                yield number, "a contract's keyword begins its line"
    relative = path.relative_to(root)
    if relative.parts[0] != "src":
        return
    if relative.parts[:2] != ("src", "ckks") or path.stem not in ("params", "bootstrap_params"):
        for number, line in enumerate(lines, 1):
            if "insecure_for_tests" in line:
                yield number, "insecure_for_tests is for tests only"
    if path.suffix in (".h", ".cpp"):
        yield from check_includes(root, path, lines, table)
        if not WITH_GLOBALS.match(path.relative_to(root / "src").as_posix()):
            for number, line in enumerate(lines, 1):
                if is_global(line):
                    yield number, "a variable outside of objects: libraries have none, a context or a caller holds it"


def sources(root):
    for name in SOURCE_FOLDERS:
        for path in sorted((root / name).rglob("*")):
            if path.is_file() and (path.suffix in SOURCE_NAMES or path.name == "CMakeLists.txt"):
                yield path


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]).resolve()
    table, errors = read_table(root / "tools" / "layers.txt")
    files = 0
    for path in sources(root):
        files += 1
        errors += [f"{path.relative_to(root)}:{line}: {what}" for line, what in check_file(root, path, table)]
    for line in errors:
        print(line)
    print(f"check_layers: {files} files, {len(errors)} violations")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
