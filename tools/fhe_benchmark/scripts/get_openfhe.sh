#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The harness calls this by name before each build; what this submission stands on is Obscura, which build_task.sh finds.
exit 0
