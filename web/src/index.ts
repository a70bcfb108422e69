// SPDX-License-Identifier: Apache-2.0
export { className, Client, Obscura, Offer, type Answer, type OfferFacts, type Request } from "./client.js";
export { ObscuraError, type Code } from "./errors.js";
export { RemoteClient, type Classified, type Phase, type RemoteOptions, type Trace } from "./remote.js";
export { SealedStore } from "./sealed.js";
export { IndexedDbStore, MemoryStore, type SecretStore } from "./store.js";
export { WorkerClient, type WorkerOptions } from "./worker-client.js";
