#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Brings the source of Debian's libsodium, with Debian's patches, into a folder: what the WebAssembly build compiles, since
# Debian has no package of libsodium for it. apt checks its signature. The machine's own lists of packages stay as they are.
#
#   tools/sodium_source.sh DIR      DIR/src/libsodium is the library
#
# Does nothing where DIR has it already. Needs apt-get and dpkg-source (dpkg-dev), and no root.
set -euo pipefail

[[ $# -eq 1 ]] || { echo "usage: tools/sodium_source.sh DIR" >&2; exit 2; }
target="$1"
[[ -f "$target/src/libsodium/sodium/core.c" ]] && exit 0
for program in apt-get dpkg-source; do
  command -v "$program" >/dev/null || { echo "sodium_source: $program is not here: apt-get install dpkg-dev" >&2; exit 1; }
done

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial"
# The places that packages come from, asked for sources.
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [[ -f "$list" ]] && sed -n 's/^deb /deb-src /p' "$list" >"$work/parts/$(basename "$list" .list).list"
done
for list in /etc/apt/sources.list.d/*.sources; do
  [[ -f "$list" ]] && sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/parts/$(basename "$list")"
done
options=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/parts" -o Dir::State::lists="$work/lists"
  -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
log="$work/log"
if ! { apt-get "${options[@]}" update && cd "$work" && apt-get "${options[@]}" source --download-only libsodium; } >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  echo "sodium_source: the source package of libsodium was not had (the lines above say why)" >&2
  exit 1
fi
cd - >/dev/null
mkdir -p "$(dirname "$target")"
dpkg-source --no-check -x "$work"/libsodium_*.dsc "$work/source" >"$log" 2>&1 || { tail -n 5 "$log" >&2; exit 1; }
rm -rf "$target"
mv "$work/source" "$target"
