// SPDX-License-Identifier: Apache-2.0
/** What a page and its worker say to each other. */
import type { Classified, Phase } from "./remote.js";
import type { OfferFacts } from "./client.js";
import type { Code } from "./errors.js";

export type Ask =
  | {
      id: number;
      do: "connect";
      url: string;
      model: string;
      token?: string;
      maxKeyBytes?: number;
      passphrase?: string;
    }
  | { id: number; do: "classify"; images: Float32Array }
  | { id: number; do: "forget" }
  | { id: number; do: "stop" };

export interface Connected {
  facts: OfferFacts;
  madeKey: boolean;
}

export type Told =
  | { id: number; progress: [Phase, number, number] }
  | { id: number; connected: Connected }
  | { id: number; classified: Classified; memoryBytes: number }
  | { id: number; forgot: true }
  | { id: number; error: { code: Code; message: string; status?: number } };
