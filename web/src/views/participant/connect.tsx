import { useEffect, useState } from "preact/hooks";
import { encode } from "uqr";
import type { Desk } from "../../desk";

/** How an app of this participant gets in: a link, and a code to point a headset or phone at. */
export function Connect({ desk, index }: { desk: Desk; index: number }) {
  const { guarded, hasApp } = desk.store;
  const [link, setLink] = useState("");
  const [until, setUntil] = useState("");
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!guarded.value) {
      setLink(`${location.origin}${hasApp.value ? "/app/" : "/"}?participant=${index}`);
      return;
    }
    void desk.get("participant-link", { participant_index: index }).then((made) => {
      if (!made) return;
      setLink(`${location.origin}${made.path}`);
      setUntil(made.expires_at);
    });
  }, [desk, index, guarded.value, hasApp.value]);
  if (!hasApp.value && !guarded.value) {
    return (
      <p>
        An app takes part as participant {index} with <code>{`{"participant": ${index}}`}</code> as its{" "}
        <code>auth</code> at <code>{location.origin}</code>. Web apps that are served with{" "}
        <code>--app</code> get a link here.
      </p>
    );
  }
  if (!link) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(link);
    setCopied(true);
  };
  return (
    <div class="connect">
      <a href={link} target="_blank" rel="noreferrer" data-testid="connect-link">
        {guarded.value ? `Link for participant ${index}` : link}
      </a>
      {navigator.clipboard && (
        <button type="button" onClick={copy}>
          {copied ? "Copied" : "Copy link"}
        </button>
      )}
      {until && <p class="place">Lets in until {new Date(until).toLocaleDateString()}.</p>}
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
