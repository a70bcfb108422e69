#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sbom_test.py PROGRAM: the bill of materials of a program names what it loads, with versions and digests."""
import json
import os
import subprocess
import sys


def main():
    tool = os.path.join(os.path.dirname(__file__), "..", "..", "tools", "sbom.py")
    bill = json.loads(subprocess.run([sys.executable, tool, sys.argv[1]], check=True, capture_output=True).stdout)
    parts = {part["name"]: part for part in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX" and bill["specVersion"] == "1.5", bill["bomFormat"]
    assert len(parts[os.path.basename(sys.argv[1])]["hashes"][0]["content"]) == 64
    sodium = [part for name, part in parts.items() if "sodium" in name]
    assert sodium and sodium[0]["version"], sorted(parts)
    print(f"{len(parts)} parts")


if __name__ == "__main__":
    main()
