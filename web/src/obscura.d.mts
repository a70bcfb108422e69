// SPDX-License-Identifier: Apache-2.0
// What emscripten makes of src/web: module.ts says what its object has.
declare const instantiate: (options: object) => Promise<unknown>;
export default instantiate;
