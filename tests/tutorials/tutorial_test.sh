#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the commands of a tutorial as a reader would, and compares what they print with what the tutorial shows.
#   tutorial_test.sh SOURCE BUILD TUTORIAL.md
#
# Blocks ```sh run in order, in one shell, in an empty folder that has the repository's models/, with BUILD on the PATH;
# a command that fails ends the test. A block ```text that follows one is what it prints: each line must be among its
# lines, in the same order. Runs of blanks count as one, times and sizes as equal, and a line '...' stands for any
# others. Blocks ```console are for the reader only. Exit status 77 where a data set or obscura-train is absent.
set -euo pipefail
source="$(realpath "$1")" build="$(realpath "$2")" tutorial="$(realpath "$3")"
OBSCURA_DATA="$(realpath -m "${OBSCURA_DATA:-$source/data}")"
export OBSCURA_DATA PATH="$build:$PATH"
name="$(basename "$tutorial" .md)"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
say() { echo "$name: $1"; }
skip() {
  say "$1: not run"
  exit 77
}
fail() {
  say "$1" >&2
  exit 1
}

# blocks/K.sh, and blocks/K.text where a block of text follows the Kth.
mkdir "$folder/blocks" "$folder/run"
awk -v folder="$folder/blocks" '
  /^```/ && file == "" { kind = substr($0, 4); file = "-"
                         if (kind == "sh") file = folder "/" ++count ".sh"
                         if (kind == "text" && count) file = folder "/" count ".text"
                         next }
  /^```/ { file = ""; next }
  file != "" && file != "-" { print > file }
' "$tutorial"
blocks="$(find "$folder/blocks" -name '*.sh' | wc -l)"
[[ "$blocks" -gt 0 ]] || fail "no commands"

for set in mnist cifar10; do
  if cat "$folder"/blocks/*.sh | grep -qw "$set" && [[ ! -d "$OBSCURA_DATA/$set" ]]; then
    skip "no $set in $OBSCURA_DATA (obscura data fetch $set)"
  fi
done
if cat "$folder"/blocks/*.sh | grep -q 'obscura train' && [[ ! -x "$build/obscura-train" ]]; then
  skip "it trains, and obscura-train is not built"
fi

ln -s "$source/models" "$folder/run/models"
{
  echo 'set -euo pipefail'
  for ((k = 1; k <= blocks; ++k)); do
    printf 'exec >"%s" 2>&1\n' "$folder/blocks/$k.out"
    cat "$folder/blocks/$k.sh"
  done
} >"$folder/all.sh"
status=0
(cd "$folder/run" && bash "$folder/all.sh" </dev/null) || status=$?
if [[ "$status" -ne 0 ]]; then
  last="$(find "$folder/blocks" -name '*.out' | sed 's|.*/||' | sort -n | tail -n 1)"
  cat "$folder/blocks/${last%.out}.sh" "$folder/blocks/$last" >&2
  fail "block ${last%.out} ended with status $status"
fi

plain() { sed -E 's/[0-9][0-9.]* (s|ms|kB|MB|GB)\b/# \1/g; s/[[:blank:]]+/ /g; s/^ //; s/ $//' "$1"; }
compared=0
for ((k = 1; k <= blocks; ++k)); do
  [[ -f "$folder/blocks/$k.text" ]] || continue
  plain "$folder/blocks/$k.out" >"$folder/printed"
  at=0
  while IFS= read -r line; do
    [[ -n "$line" && "$line" != "..." ]] || continue
    found="$(tail -n "+$((at + 1))" "$folder/printed" | grep -nxF -m 1 -- "$line" | cut -d: -f1 || true)"
    if [[ -z "$found" ]]; then
      cat "$folder/blocks/$k.out" >&2
      fail "block $k does not print: $line"
    fi
    at=$((at + found))
    compared=$((compared + 1))
  done < <(plain "$folder/blocks/$k.text")
done
[[ "$compared" -gt 0 ]] || fail "no output to compare"
say "$blocks blocks run, $compared lines of output as shown"
