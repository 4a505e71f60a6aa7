// The way that is always open: plain requests.

import { StudyError } from "./errors.js";
import type { Move, RecordsKept, Snapshot } from "./protocol.js";
import type { Batch } from "./records.js";

const PATIENCE_MS = 5000;
/** A batch of records takes longer on a slow network than a move. */
export const BATCH_WITHIN_MS = 10_000;

type Sent = RequestInit & { headers: Record<string, string> };

export class Rest {
  #tag: string | null = null;

  constructor(
    private readonly url: string,
    private readonly participant: number | undefined,
    private readonly token: string | undefined,
  ) {}

  /** Have the next state answered in full. */
  forget(): void {
    this.#tag = null;
  }

  /** Where the participant is; null if that is what was answered last. */
  async state(): Promise<Snapshot | null> {
    const headers: Record<string, string> = this.#tag ? { "If-None-Match": this.#tag } : {};
    const answer = await this.#ask("GET", `state${this.#who()}`, { headers });
    if (answer.status === 304) return null;
    const snapshot: unknown = await answer.json();
    if (!isSnapshot(snapshot)) throw notTheServer(answer);
    this.#tag = answer.headers.get("ETag");
    return snapshot;
  }

  /** Make a move, once; returns where the participant is then. */
  async move({ action, block_id, from_block, from_started_at, request_id }: Move): Promise<Snapshot> {
    const where = block_id === undefined ? "" : `/${block_id}`;
    const from = new URLSearchParams({
      ...(from_block === undefined ? {} : { from_block: String(from_block) }),
      ...(from_started_at === undefined ? {} : { from_started_at }),
    });
    const path = `${action}${this.#who()}${where}?${from}`;
    const answer = await this.#ask("POST", path, { headers: { "Idempotency-Key": request_id } });
    if (!isMoved(await answer.json())) throw notTheServer(answer);
    this.forget();
    return (await this.state()) as Snapshot;
  }

  /** Have records kept, each once. */
  async record(batch: Batch): Promise<RecordsKept> {
    const answer = await this.#ask("POST", `results${this.#who()}`, sent(batch), BATCH_WITHIN_MS);
    const kept: unknown = await answer.json();
    if (typeof (kept as Partial<RecordsKept> | null)?.server_time !== "string") throw notTheServer(answer);
    return kept as RecordsKept;
  }

  /** Send records for a page that goes away, and hears no answer any more. */
  part(batch: Batch): void {
    this.#fetch("POST", `results${this.#who()}`, { ...sent(batch), keepalive: true }).catch(() => undefined);
  }

  #who(): string {
    return this.participant === undefined ? "" : `/${this.participant}`;
  }

  async #ask(method: string, path: string, request: Sent, within = PATIENCE_MS): Promise<Response> {
    const answer = await this.#fetch(method, path, { ...request, signal: AbortSignal.timeout(within) });
    if (answer.ok || answer.status === 304) return answer;
    // A gateway's own error, or a portal's, is no refusal of the server's.
    const ours = answer.headers.get("Content-Type")?.startsWith("application/problem+json");
    if (!ours || answer.status >= 500) throw notTheServer(answer);
    const problem = (await answer.json()) as { code: string; detail: string; record_id?: string };
    throw new StudyError(problem.code, problem.detail, problem.record_id);
  }

  #fetch(method: string, path: string, request: Sent): Promise<Response> {
    const headers = this.token ? { ...request.headers, Authorization: `Bearer ${this.token}` } : request.headers;
    return fetch(`${this.url}/api/${path}`, { ...request, method, headers });
  }
}

function sent(batch: Batch): Sent {
  return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(batch) };
}

function notTheServer({ url, status }: Response): TypeError {
  return new TypeError(`${url} was answered with ${status}, and not with what the server says`);
}

function isSnapshot(value: unknown): value is Snapshot {
  const { block_id, revision } = (value ?? {}) as Partial<Snapshot>;
  return Number.isInteger(block_id) && Number.isInteger(revision);
}

/** Whether it is what a move is answered with: a block's id, or its name. */
function isMoved(value: unknown): boolean {
  return Number.isInteger(value) || typeof (value as { name?: unknown } | null)?.name === "string";
}
