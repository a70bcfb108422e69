#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sbom.py PROGRAM... [-o FILE]: the parts of programs as a CycloneDX 1.5 bill of materials.

A part is a shared library that a program loads, with the Debian package, version and SHA-256 that it has here, or the
package of headers alone whose code is compiled in (tools/setup.sh). Needs ldd and dpkg-query."""
import argparse
import hashlib
import json
import os
import re
import subprocess

# Compiled in: there is no library to load.
HEADERS_ONLY = ["libboost-dev", "libcli11-dev", "libtomlplusplus-dev", "nlohmann-json3-dev"]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def libraries(program):
    """Paths of all that the loader brings in."""
    return [m.group(1) for m in re.finditer(r"(?:=> )?(/\S+) \(0x", run("ldd", program))]


def names_of(path):
    """Libraries stand under /lib or /usr/lib, of which one is a link; Debian knows one of the names."""
    return [path, os.path.realpath(path), "/usr" + path, path.removeprefix("/usr")]


def packages_of(paths):
    """Debian's names for who owns which file; asked once, since each question reads all of its lists."""
    answer = run("dpkg-query", "-S", *sorted({name for path in paths for name in names_of(path)}))
    owners = {}
    for line in answer.splitlines():
        owner, _, file = line.partition(": ")
        owners[file] = owner.split(":")[0]
    return {path: next((owners[name] for name in names_of(path) if name in owners), None) for path in paths}


def version_of(package):
    return run("dpkg-query", "-W", "-f", "${Version}", package)


def component(package, path=None):
    version = version_of(package)
    out = {"type": "library", "name": package, "version": version, "purl": f"pkg:deb/debian/{package}@{version}"}
    if path:
        out["hashes"] = [{"alg": "SHA-256", "content": sha256(path)}]
        out["properties"] = [{"name": "file", "value": os.path.basename(path)}]
    return out


def bill(programs):
    files = sorted({path for program in programs for path in libraries(program)})
    owners = packages_of(files)
    parts = [component(owners[path], path) for path in files if owners[path]]
    unknown = [os.path.basename(path) for path in files if not owners[path]]
    parts += [component(package) for package in HEADERS_ONLY if version_of(package)]
    parts += [{"type": "library", "name": name, "version": "not packaged"} for name in unknown]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "obscura"}},
        "components": [
            {"type": "application", "name": os.path.basename(p), "hashes": [{"alg": "SHA-256", "content": sha256(p)}]}
            for p in programs
        ] + parts,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="+")
    parser.add_argument("-o", "--out")
    options = parser.parse_args()
    text = json.dumps(bill(options.programs), indent=2) + "\n"
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
