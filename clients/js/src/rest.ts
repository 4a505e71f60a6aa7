// The way that is always open: plain requests.

import { StudyError } from "./errors.js";
import type { Move, Snapshot } from "./protocol.js";

const PATIENCE_MS = 5000;

export class Rest {
  #tag: string | null = null;

  constructor(
    private readonly url: string,
    private readonly participant: number | undefined,
    private readonly token: string | undefined,
  ) {}

  /** Where the participant is; null if that is what was answered last. */
  async state(): Promise<Snapshot | null> {
    const headers: Record<string, string> = this.#tag ? { "If-None-Match": this.#tag } : {};
    const answer = await this.#ask("GET", `state${this.#who()}`, headers);
    if (answer.status === 304) return null;
    const snapshot = (await answer.json()) as Snapshot;
    this.#tag = answer.headers.get("ETag");
    return snapshot;
  }

  /** Make a move, once; returns where the participant is then. */
  async move({ action, block_id, from_block, request_id }: Move): Promise<Snapshot> {
    const where = block_id === undefined ? "" : `/${block_id}`;
    const from = from_block === undefined ? "" : `?from_block=${from_block}`;
    await this.#ask("POST", `${action}${this.#who()}${where}${from}`, { "Idempotency-Key": request_id });
    this.#tag = null;
    return (await this.state()) as Snapshot;
  }

  #who(): string {
    return this.participant === undefined ? "" : `/${this.participant}`;
  }

  async #ask(method: string, path: string, headers: Record<string, string>): Promise<Response> {
    const answer = await fetch(`${this.url}/api/${path}`, {
      method,
      headers: this.token ? { ...headers, Authorization: `Bearer ${this.token}` } : headers,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.ok || answer.status === 304) return answer;
    const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string };
    // Without one of the server's codes it was somebody on the way who answered.
    if (!problem.code || answer.status >= 500) throw new TypeError(`${method} ${path}: ${answer.status}`);
    throw new StudyError(problem.code, problem.detail ?? "");
  }
}
