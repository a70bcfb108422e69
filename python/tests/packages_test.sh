#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The wheel and the Debian package, each unpacked and used away from the source and the build folder.
#   packages_test.sh SOURCE BUILD PYTHON
set -euo pipefail
source="$1" build="$2" python="$3"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
skip() {
  echo "skipped: $1"
  exit 77
}
fail() {
  echo "packages_test: $1" >&2
  exit 1
}
"$python" -c 'import build, setuptools, wheel' 2>/dev/null || skip "it takes python3-build, python3-setuptools and python3-wheel"
command -v dpkg-deb >/dev/null || skip "no dpkg-deb"

# use FOLDER LIBRARIES: one encrypted image, by the package in that folder.
use() {
  (cd "$folder" && env -u PYTHONPATH LD_LIBRARY_PATH="$2" PYTHONDONTWRITEBYTECODE=1 "$python" - "$1" "$source/models/mnist-square.onnx" <<'PROGRAM'
import sys
sys.path.insert(0, sys.argv[1])
import numpy, obscura
assert obscura.__file__.startswith(sys.argv[1]), obscura.__file__
image = numpy.random.default_rng(1).random((1, 28, 28), numpy.float32)
network = obscura.Network(sys.argv[2])
assert obscura.classify(network, image).labels == network.run(image).argmax()
loaded = {line.split()[-1] for line in open("/proc/self/maps") if "libobscura" in line}
assert len(loaded) == 4, loaded
print(*sorted(loaded), sep="\n")
PROGRAM
  ) || fail "$1 does not work"
}

# Of a copy, since setuptools writes beside its sources. The libraries are not of the build folder.
mkdir "$folder/source"
cp -r "$source/python" "$source/CMakeLists.txt" "$folder/source/"
OBSCURA_BUILD="$build" "$python" -m build --wheel --no-isolation --outdir "$folder" "$folder/source/python" >"$folder/wheel.log" 2>&1 ||
  fail "$(tail -n 20 "$folder/wheel.log")"
"$python" -m zipfile -e "$folder"/obscura-*.whl "$folder/wheel"
[[ -f "$folder/wheel/obscura/py.typed" && -f "$folder/wheel/obscura/_core.pyi" && -f "$folder/wheel/obscura/torch/__init__.py" ]] ||
  fail "the wheel lacks a file: $(ls -R "$folder/wheel")"
used="$(use "$folder/wheel" "")"
[[ "$(grep -c "^$folder/wheel/obscura/libobscura-" <<<"$used")" -eq 4 ]] || fail "the wheel loads $used"

cpack --config "$build/CPackConfig.cmake" -G DEB -D CPACK_COMPONENTS_ALL=python3-obscura -B "$folder/deb" >"$folder/cpack.log" 2>&1 ||
  fail "$(tail -n 20 "$folder/cpack.log")"
package="$(find "$folder/deb" -maxdepth 1 -name 'python3-obscura_*.deb')"
dpkg-deb -f "$package" Depends | grep -qE '^obscura \(= [0-9.]+\), python3 \(>= 3\.[0-9]+\), python3 \(<< 3\.[0-9]+\), python3-numpy$' ||
  fail "python3-obscura depends on $(dpkg-deb -f "$package" Depends)"
dpkg-deb -x "$package" "$folder/root"
[[ -f "$folder/root/usr/share/doc/python3-obscura/examples/1_mnist_service.py" ]] || fail "no examples in the package"
# Where the libraries of the package `obscura` would lie.
used="$(use "$folder/root/usr/lib/python3/dist-packages" "$build/src/api")"
[[ "$(grep -c "/src/api/libobscura-" <<<"$used")" -eq 4 ]] || fail "the package loads $used"
wheel="$(find "$folder" -maxdepth 1 -name '*.whl')"
echo "packages_test: $(basename "$wheel") of $(stat -c %s "$wheel") bytes, $(basename "$package") of $(stat -c %s "$package") bytes"
