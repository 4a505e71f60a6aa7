import { useEffect, useRef, useState } from "preact/hooks";
import type { Desk } from "../../desk";
import type { Design } from "../../protocol";
import { carryOver, grid, positions } from "./plots";
import { save } from "./save";

const MOST = 10_000;

/** What the orders balance, before and while the study runs. */
export function DesignView({ desk }: { desk: Desk }) {
  const { store } = desk;
  const [participants, setParticipants] = useState<number | null>(null);
  const [report, setReport] = useState<Design | null>(null);
  const live = store.connection.value === "live";
  const digest = store.study.value.digest;
  useEffect(() => {
    if (!live) return;
    let current = true;
    void desk.get("design", participants === null ? {} : { participants }).then((made) => {
      if (current && made) setReport(made);
    });
    return () => {
      current = false;
    };
  }, [desk, participants, live, digest]);
  if (!report) return <p class="empty">Counting …</p>;

  const balanced = Object.values(report.balanced).every(Boolean);
  const names = store.names.value.length ? store.names.value : [...new Set(report.orders.flat())];
  return (
    <div class="design">
      <div class="filters">
        <label>
          Participants 1 to{" "}
          <input
            type="number"
            min="1"
            max={MOST}
            value={participants ?? report.participants}
            data-testid="design-participants"
            onChange={(event) => {
              const wanted = Math.round(Number(event.currentTarget.value));
              setParticipants(Math.min(MOST, Math.max(1, wanted || 1)));
            }}
          />
        </label>
        {report.better.map((number) => (
          <button key={number} type="button" onClick={() => setParticipants(number)}>
            {number} balances more
          </button>
        ))}
        {participants !== null && (
          <button type="button" onClick={() => setParticipants(null)}>
            One cycle
          </button>
        )}
      </div>
      <p class={balanced ? "sentence good" : "sentence"} data-testid="design-sentence">
        {report.sentence}
      </p>
      {report.cells.length > 0 && (
        <ul class="cells">
          {report.cells.map((cell) => (
            <li key={JSON.stringify(cell.levels)}>
              {Object.entries(cell.levels)
                .map(([factor, level]) => `${factor} = ${String(level)}`)
                .join(", ")}
              : <b>{cell.participants}</b>
            </li>
          ))}
        </ul>
      )}
      <Figure
        title="Orders"
        caption={`The blocks of participants 1 to ${report.orders.length}, in their orders`}
        draw={(width) => grid(report, names, width)}
        file="orders"
      />
      <div class="figures">
        <Figure
          title="Position"
          caption="How many participants have the condition at each position"
          draw={(width) => positions(report, width)}
          file="position"
        />
        <Figure
          title="Carry-over"
          caption="How often the condition on the left is followed at once by the one above"
          draw={(width) => carryOver(report, width)}
          file="carry-over"
        />
      </div>
    </div>
  );
}

interface FigureProps {
  title: string;
  caption: string;
  draw: (width: number) => SVGElement | HTMLElement;
  file: string;
}

function Figure({ title, caption, draw, file }: FigureProps) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (width) place.current?.replaceChildren(draw(width));
  });
  const drawn = () => place.current?.querySelector("svg");
  return (
    <figure>
      <div class="figure-head">
        <h2>{title}</h2>
        <button type="button" onClick={() => save(drawn(), file, "svg")} data-testid={`${file}-svg`}>
          SVG
        </button>
        <button type="button" onClick={() => save(drawn(), file, "png")} data-testid={`${file}-png`}>
          PNG
        </button>
      </div>
      <figcaption>{caption}</figcaption>
      <div class="plot" ref={place} role="img" aria-label={`${title}: ${caption}`} />
    </figure>
  );
}
