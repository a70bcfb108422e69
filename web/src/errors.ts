// SPDX-License-Identifier: Apache-2.0

/** Why something failed: the codes of Obscura's library, and `internal`, a defect of it. */
export type Code =
  | "bad_format" // bytes that are not what they should be: truncated, damaged, of another kind
  | "unsupported" // well-formed, but outside of what Obscura does
  | "wrong_params" // made for another plan, key or parameter set
  | "missing_key" // no such model, or keys that the server has not
  | "infeasible" // too large for this browser, or this server
  | "io" // no connection, or storage that fails
  | "busy" // try again later
  | "cancelled" // stopped by an AbortSignal
  | "sealed" // the secret key that is kept here needs its passphrase
  | "internal";

/** What all functions of this package throw: a code, and one sentence that says what to do. */
export class ObscuraError extends Error {
  constructor(
    readonly code: Code,
    message: string,
    /** Of an answer of the server. */
    readonly status?: number,
  ) {
    super(message);
    this.name = "ObscuraError";
  }
}

/** @throws ObscuraError "cancelled" where the signal was given */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ObscuraError("cancelled", "stopped");
}
