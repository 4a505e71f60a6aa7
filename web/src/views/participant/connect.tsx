import { useEffect, useState } from "preact/hooks";
import { encode } from "uqr";
import type { Controller } from "../../controller";
import { basesOf, leadsNowhereElse } from "../../links";

/** How an app of this participant gets in: a link, and a code to point a headset or phone at. */
export function Connect({ controller, index }: { controller: Controller; index: number }) {
  const { guarded, hasApp, urls } = controller.store;
  const [path, setPath] = useState("");
  const [until, setUntil] = useState("");
  const [chosen, setChosen] = useState("");
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!guarded.value) {
      setPath(`${hasApp.value ? "/app/" : "/"}?participant=${index}`);
      return;
    }
    void controller.get("participant-link", { participant_index: index }).then((made) => {
      if (!made) return;
      setPath(made.path);
      setUntil(made.expires_at);
    });
  }, [controller, index, guarded.value, hasApp.value]);
  const bases = basesOf(urls.value, location.origin);
  const base = bases.includes(chosen) ? chosen : (bases[0] ?? location.origin);
  if (!hasApp.value && !guarded.value) {
    return (
      <p>
        An app takes part as participant {index} with <code>{`{"participant": ${index}}`}</code> as its{" "}
        <code>auth</code> at <code>{base}</code>. Web apps that are served with <code>--app</code> get a
        link here.
      </p>
    );
  }
  if (!path) return null;
  const link = base + path;
  const copy = async () => {
    await navigator.clipboard.writeText(link);
    setCopied(true);
  };
  return (
    <div class="connect">
      {bases.length > 1 && (
        <label>
          Over the network of{" "}
          <select
            value={base}
            data-testid="connect-base"
            onChange={(event) => {
              setChosen(event.currentTarget.value);
              setCopied(false);
            }}
          >
            {bases.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
      )}
      <a href={link} target="_blank" rel="noreferrer" data-testid="connect-link">
        {guarded.value ? `Link for participant ${index}` : link}
      </a>
      {navigator.clipboard && (
        <button type="button" onClick={copy}>
          {copied ? "Copied" : "Copy link"}
        </button>
      )}
      {leadsNowhereElse(base) && (
        <p class="place">
          This link works on this computer only. For other devices, start the server with{" "}
                    <code>--host 0.0.0.0</code>, or set its address with <code>--public-url</code>.
        </p>
      )}
      {until && <p class="place">Valid until {new Date(until).toLocaleDateString()}.</p>}
      <Code text={link} />
    </div>
  );
}

function Code({ text }: { text: string }) {
  const { data, size } = encode(text);
  const path = data
    .flatMap((line, y) => line.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")))
    .join("");
  return (
    <svg
      class="code"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label="The link as a QR code"
      shape-rendering="crispEdges"
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
