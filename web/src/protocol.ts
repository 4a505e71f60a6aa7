// The wire contract, as far as the dashboard speaks it, under the dashboard's names.

import type { ErrorInfo, Operations, ParticipantSnapshot } from "./wire";

export type {
  Affected,
  Config,
  DesignReport as Design,
  DiagnosticInfo as Diagnostic,
  ExplainedBlock,
  ExplainedValue,
  Json,
  LogEntry as Entry,
  Operations,
  OrderedItems as Ordered,
  OverriddenValue as Override,
  Overview,
  ParticipantLink as Link,
  ParticipantResults,
  ParticipantRow,
  ParticipantSnapshot as Snapshot,
  ResultsChanged,
  ResultTable,
  ServedStudy as StudyInfo,
  ServerEvents,
  StoredRecord,
  StudyChanged,
  StudyInfo as StudyDetails,
  Verified,
  VersionInfo as Version,
  Visit,
} from "./wire";

/** What is known of a participant everywhere: what rows and snapshots share. */
export type ParticipantSummary = Omit<ParticipantSnapshot, "config" | "overrides">;

export type Name = keyof Operations;
export type Parameters<N extends Name> = Operations[N][0];
export type Answer<N extends Name> = Operations[N][1];

export interface Refusal {
  ok: false;
  error: ErrorInfo;
}

export type Acknowledgement<Data = unknown> = { ok: true; data: Data } | Refusal;
