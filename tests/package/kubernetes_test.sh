#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: kubernetes_test.sh SOURCE_DIR
# Holds the manifests to Kubernetes' own schemas, of npm's package kubernetes-models, which is not part of the project:
#   npm install --prefix FOLDER kubernetes-models@5.1.0; OBSCURA_KUBERNETES_MODELS=FOLDER/node_modules
# KServe's two kinds have no schema there: of these, what they share with Kubernetes is held to it.
set -eu
models=${OBSCURA_KUBERNETES_MODELS:-}
if [ -z "$models" ] || [ ! -d "$models/kubernetes-models" ] || ! command -v node > /dev/null ||
  ! python3 -c 'import yaml' 2> /dev/null; then
  echo "skipped: it takes node, python3-yaml, and npm's kubernetes-models under \$OBSCURA_KUBERNETES_MODELS"
  exit 77
fi
for file in "$1"/packaging/kubernetes/*.yaml; do
  python3 -c 'import json, sys, yaml; print(json.dumps([d for d in yaml.safe_load_all(open(sys.argv[1])) if d]))' "$file" |
    node "$1/tests/package/kubernetes_test.mjs" "$models" "$(basename "$file")"
done
# It can fail: a port that is no number is found.
if echo '[{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":"https"}]}}]' |
  node "$1/tests/package/kubernetes_test.mjs" "$models" wrong > /dev/null 2>&1; then
  echo "a port that is no number passed"
  exit 1
fi
