#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: container_test.sh SOURCE_DIR BUILD_DIR
# Builds the image of packaging/Containerfile and runs the server in it. debootstrap makes the base image from Debian's
# packages, so that no registry is asked. Where no container may be started (chroot isolation needs
# no cgroups and no user namespaces), or a tool is absent, it is skipped.
set -eu
source=$1 build=$2 work=$(mktemp -d)
skip() { echo "skipped: $1"; exit 77; }
for tool in buildah debootstrap cpack; do
  command -v $tool > /dev/null || skip "no $tool"
done
[ "$(id -u)" = 0 ] || skip "debootstrap wants root"
store=(--storage-driver vfs --root "$work/store" --runroot "$work/run")
clean() { buildah "${store[@]}" rm -a > /dev/null 2>&1 || true; rm -rf --one-file-system "$work"; }
trap clean EXIT
debootstrap --variant=minbase bookworm "$work/base" > "$work/debootstrap.log" 2>&1 || skip "debootstrap: $(tail -1 "$work/debootstrap.log")"
base=$(buildah "${store[@]}" from scratch)
buildah "${store[@]}" copy -q "$base" "$work/base" / > /dev/null
buildah "${store[@]}" commit -q "$base" localhost/debian:bookworm-slim > /dev/null
buildah "${store[@]}" rm "$base" > /dev/null
rm -rf --one-file-system "$work/base"
buildah "${store[@]}" from --name probe localhost/debian:bookworm-slim > /dev/null
buildah "${store[@]}" run --isolation chroot probe -- true 2> "$work/probe.log" ||
  skip "no container starts here: $(tail -1 "$work/probe.log")"
buildah "${store[@]}" rm probe > /dev/null
mkdir -p "$work/context/build/packages"
cpack --config "$build/CPackConfig.cmake" -G DEB -D CPACK_COMPONENTS_ALL=obscura-server -B "$work/context/build/packages" > "$work/cpack.log" 2>&1 ||
  { tail "$work/cpack.log"; exit 1; }
buildah "${store[@]}" bud --pull-never --isolation chroot --network host -q -f "$source/packaging/Containerfile" \
  -t obscura-server "$work/context" > "$work/build.log" 2>&1 || { tail -20 "$work/build.log"; exit 1; }
buildah "${store[@]}" from --pull-never --name server localhost/obscura-server > /dev/null
for wanted in 'obscura-server' '65534'; do
  buildah "${store[@]}" inspect server | grep -q "$wanted" || { echo "the image has no $wanted"; exit 1; }
done
buildah "${store[@]}" run --isolation chroot server -- obscura-server --help | grep -q serve
# Without a plan it says so, in one sentence, as the user that the image names.
said=$(buildah "${store[@]}" run --isolation chroot server -- obscura-server serve /plans 2>&1 || true)
echo "$said" | grep -q "no plan in it" || { echo "it said: $said"; exit 1; }
echo "the image is built, and the server runs in it"
