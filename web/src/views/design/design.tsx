import { useEffect, useRef, useState } from "preact/hooks";
import type { Controller } from "../../controller";
import type { Design } from "../../protocol";
import { type Counted, carryOver, grid, positions } from "./plots";
import { save } from "./save";

const MOST = 10_000;

/** What the orders balance, before and while the study runs. */
export function DesignView({ controller }: { controller: Controller }) {
  const { store } = controller;
  const [participants, setParticipants] = useState<number | null>(null);
  const [report, setReport] = useState<Design | null>(null);
  const live = store.connection.value === "live";
  const digest = store.study.value.digest;
  useEffect(() => {
    if (!live) return;
    let current = true;
    void controller.get("design", participants === null ? {} : { participants }).then((made) => {
      if (current && made) setReport(made);
    });
    return () => {
      current = false;
    };
  }, [controller, participants, live, digest]);
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
            Use {number} participants: better balanced
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
      {partsOf(report).map((part) => (
        <div class="figures" key={part.file} data-testid={`design-part${part.file}`}>
          <Figure
            title={`${part.title}Position`}
            caption={part.ofPosition}
            draw={(width) => positions(part.counted, width)}
            file={`position${part.file}`}
          />
          <Figure
            title={`${part.title}Carry-over`}
            caption={part.ofCarryOver}
            draw={(width) => carryOver(part.counted, width)}
            file={`carry-over${part.file}`}
          />
        </div>
      ))}
    </div>
  );
}

interface Part {
  title: string;
  file: string;
  ofPosition: string;
  ofCarryOver: string;
  counted: Counted;
}

/** What there is to show: the conditions, or the groups of an order tree, and then the factors. */
function partsOf(report: Design): Part[] {
  const whole: Part = {
    title: "",
    file: "",
    ofPosition: "How many participants have the condition at each position",
    ofCarryOver: "How often the condition on the left is followed at once by the one above",
    counted: { ...report, items: report.conditions },
  };
  const groups = report.groups.map((group, place) => ({
    title: `${group.name}: `,
    file: `-group-${place + 1}`,
    ofPosition: `How often each item of the group (${group.strategy}) is met at each position`,
    ofCarryOver: "How often the item on the left is followed by the one above",
    counted: group,
  }));
  const factors = report.factors.map((factor) => ({
    title: `Factor ${factor.name}: `,
    file: `-factor-${factor.name}`,
    ofPosition: "How many participants meet the level first, second, …",
    ofCarryOver: "What follows what, from condition to condition",
    counted: factor,
  }));
  return [...(groups.length ? groups : [whole]), ...factors];
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
