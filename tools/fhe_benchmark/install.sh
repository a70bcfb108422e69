#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install.sh SUITE: puts this submission into a checkout of the suite in place of the one that is there, as the suite asks of
# who submits. docs/SCOREBOARD.md says how it is run.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
suite="${1:?install.sh SUITE: the folder of the checkout}"
[[ -f "$suite/harness/run_submission.py" ]] || { echo "install.sh: $suite has no harness/run_submission.py: name a checkout of fhe-benchmarking/ml-inference" >&2; exit 2; }
rm -rf "$suite/submission" "$suite/scripts"
cp -r "$here/submission" "$here/scripts" "$suite/"
