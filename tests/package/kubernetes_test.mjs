// SPDX-License-Identifier: Apache-2.0
// Reads a JSON list of manifests from standard input; exits 1 where one does not fit its schema.
import { readFileSync } from "fs";

const [, , models, name] = process.argv;
const of = (object) => {
  const { apiVersion, kind } = object;
  // A ServingRuntime has a Pod's fields, and some of its own.
  if (apiVersion.startsWith("serving.kserve.io/") && kind === "ServingRuntime") {
    const { supportedModelFormats, protocolVersions, multiModel, ...pod } = object.spec;
    const strings = protocolVersions.every((one) => typeof one === "string");
    const formats = supportedModelFormats.every((one) => typeof one.name === "string" && typeof one.version === "string");
    if (!strings || !formats || typeof multiModel !== "boolean") throw new Error("a ServingRuntime's own fields");
    return { apiVersion: "v1", kind: "Pod", metadata: object.metadata, spec: pod };
  }
  return object;
};
const list = JSON.parse(readFileSync(0, "utf8"));
for (const object of list.map(of)) {
  const { [object.kind]: Model } = await import(`${models}/kubernetes-models/${object.apiVersion}/index.js`);
  if (Model === undefined) throw new Error(`${name}: no schema of ${object.apiVersion} ${object.kind}`);
  new Model(object).validate();
  console.log(`${name}: ${object.kind} ${object.metadata.name} fits its schema`);
}
if (list.length === 0) throw new Error(`${name}: no manifest`);
