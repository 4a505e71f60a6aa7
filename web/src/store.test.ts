import { effect } from "@preact/signals";
import { describe, expect, it } from "vitest";
import type { Overview, ParticipantRow } from "./protocol";
import { concerned, Store } from "./store";

function row(index: number, more: Partial<ParticipantRow> = {}): ParticipantRow {
  return {
    participant_index: index,
    active: true,
    block_id: 0,
    block_name: "A",
    blocks_count: 2,
    revision: 1,
    row: index,
    connected: 0,
    block_started_at: "2026-11-23T12:00:00.000Z",
    updated_at: "2026-11-23T12:00:00.000Z",
    study: "d",
    overridden: 0,
    block_names: ["A", "B"],
    ...more,
  };
}

function overview(...participants: ParticipantRow[]): Overview {
  return {
    study: { name: "study.toml", digest: "d", version: 1 },
    diagnostics: [],
    participants,
    results: [],
    default_participant: 1,
    database: ":memory:",
    session: "main",
    has_app: false,
    urls: ["http://192.168.1.20:5000"],
    guarded: false,
    server_time: "2026-11-23T12:00:05.000Z",
  };
}

function filled(...participants: ParticipantRow[]): Store {
  const store = new Store();
  store.replace(overview(...participants));
  return store;
}

describe("the store", () => {
  it("holds what the snapshot says, and forgets what it does not", () => {
    const store = filled(row(7), row(3, { revision: 9 }));
    store.replace(overview(row(3, { revision: 1 }), row(4)));
    expect(store.indices.value).toEqual([3, 4]);
    expect(store.row(3).value.revision).toBe(1);
    expect(() => store.row(7)).toThrow("participant 7");
  });

  it("takes changes and new participants in", () => {
    const store = filled(row(2));
    store.change([row(2, { revision: 2, block_id: 1, block_name: "B" }), row(1)]);
    expect(store.indices.value).toEqual([1, 2]);
    expect(store.row(2).value.block_name).toBe("B");
  });

  it("drops what is older, and takes what is as old: presence has no revision", () => {
    const store = filled(row(1, { revision: 5 }));
    store.change([row(1, { revision: 4, block_id: 1 })]);
    expect(store.row(1).value.block_id).toBe(0);
    store.change([row(1, { revision: 5, connected: 2 })]);
    expect(store.row(1).value.connected).toBe(2);
  });

  it("repaints the row that changed, and no other, nor the list", () => {
    const store = filled(row(1), row(2));
    const painted: string[] = [];
    effect(() => void painted.push(`list ${store.indices.value.length}`));
    for (const index of [1, 2]) {
      effect(() => void painted.push(`${index} at ${store.row(index).value.block_id}`));
    }
    painted.length = 0;
    store.change([row(2, { revision: 2, block_id: 1 })]);
    expect(painted).toEqual(["2 at 1"]);
  });

  it("removes participants", () => {
    const store = filled(row(1), row(2));
    store.remove([1]);
    expect(store.indices.value).toEqual([2]);
  });

  it("counts who is where", () => {
    const store = filled(
      row(1, { connected: 2 }),
      row(2, { active: false, block_id: -1 }),
      row(3, { active: false, block_id: 2 }),
    );
    expect(store.totals.value).toEqual({ participants: 3, connected: 1, active: 1, finished: 1 });
    store.change([row(2, { revision: 2 })]);
    expect(store.totals.value.active).toBe(2);
  });

  it("keeps the study when its file is broken, with what is wrong", () => {
    const store = filled(row(1));
    const problem = { code: "x", severity: "error", message: "m", hint: null, line: 1, column: 1 };
    store.changeStudy({
      name: "study.toml",
      digest: "d",
      version: 1,
      diagnostics: [problem as never],
    });
    expect(store.study.value.digest).toBe("d");
    expect(store.diagnostics.value).toHaveLength(1);
  });

  it("knows how far the clocks are apart", () => {
    const store = new Store();
    store.replace(overview(), Date.parse("2026-11-23T12:00:00.000Z"));
    expect(store.clockOffset.value).toBe(5000);
  });
});

describe("a move that is shown before the server has agreed", () => {
  const answered = (more: Partial<ParticipantRow>) => {
    const { block_names: _, ...summary } = row(1, more);
    return summary;
  };

  it("is shown at once, and stays when the server agrees", () => {
    const store = filled(row(1));
    store.predict(1, 1);
    expect(store.row(1).value).toMatchObject({ block_id: 1, block_name: "B", pending: true });
    store.settle(1, answered({ block_id: 1, block_name: "B", revision: 2 }));
    expect(store.row(1).value).toMatchObject({ block_id: 1, revision: 2, block_names: ["A", "B"] });
    expect(store.row(1).value.pending).toBeUndefined();
  });

  it("goes back to what the server said when it is refused", () => {
    const store = filled(row(1));
    store.predict(1, 1);
    store.settle(1);
    expect(store.row(1).value).toEqual(row(1));
  });

  it("goes to where the participant is when somebody else was faster", () => {
    const store = filled(row(1));
    store.predict(1, 1);
    store.settle(1, answered({ block_id: -1, block_name: "START", active: false, revision: 4 }));
    expect(store.row(1).value.block_name).toBe("START");
  });

  it("survives news of presence, and gives way to a push with a newer revision", () => {
    const store = filled(row(1));
    store.predict(1, 1);
    store.change([row(1, { connected: 3 })]);
    expect(store.row(1).value).toMatchObject({ block_id: 1, connected: 3, pending: true });
    store.change([row(1, { revision: 2, block_id: 0 })]);
    expect(store.row(1).value).toMatchObject({ block_id: 0, revision: 2 });
    store.settle(1);
    expect(store.row(1).value.revision).toBe(2);
  });

  it("does not come back with an answer that is older than a push", () => {
    const store = filled(row(1));
    store.predict(1, 1);
    store.change([row(1, { revision: 3, block_id: 0 })]);
    store.settle(1, answered({ block_id: 1, revision: 2 }));
    expect(store.row(1).value).toMatchObject({ block_id: 0, revision: 3 });
  });

  it("knows END and START", () => {
    const store = filled(row(1));
    store.predict(1, 2);
    expect(store.row(1).value).toMatchObject({ block_name: "END", active: false });
    store.predict(1, -1);
    expect(store.row(1).value).toMatchObject({ block_name: "START", block_started_at: null });
  });
});

describe("after a lost connection", () => {
  it("what is behind the snapshot is forgotten, predictions too", () => {
    const store = filled(row(1));
    store.predict(1, 1);
    store.log.load([], 500);
    store.replace(overview(row(1, { revision: 7 })));
    expect(store.row(1).value).toEqual(row(1, { revision: 7 }));
    expect(store.log.loaded.value).toBe(false);
  });
});

describe("a new version of the study", () => {
  const news = { name: "study.toml", digest: "e", version: 3, diagnostics: [] };

  it("says who is concerned", () => {
    const many = Array.from({ length: 20 }, (_, index) => index + 1);
    expect(concerned({ reordered: many, ended: [7], kept: [] })).toEqual([
      "Other blocks for participants 1, 2, 3, 4, 5, 6, 7, 8 and 12 more.",
      "Beyond the new end, so END: participant 7.",
    ]);
  });

  it("is told in the status line, and a refused one is not", () => {
    const store = filled(row(1));
    store.changeStudy({ ...news });
    expect(store.notice.value).toBe("");
    store.changeStudy({ ...news, reordered: [], ended: [], kept: [1] });
    expect(store.notice.value).toContain("Keeping their version: participant 1.");
  });

  it("tells whoever looks for a participant when they are added and removed", () => {
    const store = filled(row(1));
    const seen: boolean[] = [];
    effect(() => {
      seen.push(store.watch(9) !== undefined);
    });
    store.change([row(9)]);
    store.remove([9]);
    expect(seen).toEqual([false, true, false]);
  });
});
