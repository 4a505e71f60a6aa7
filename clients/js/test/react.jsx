// A page that ../../../tests/e2e/test_client_react.py shows.

import { connect } from "experiment-server-client";
import { useBlock, useUnsent } from "experiment-server-client/react";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

window.begun = [];

function Place({ study }) {
  const block = useBlock(study);
  useEffect(() => {
    if (block) window.begun.push(block.block_name);
  }, [block]);
  if (!block) return <p id="place">no study</p>;
  return <p id="place">{`${block.block_name}, speed ${block.config?.speed}`}</p>;
}

function Late({ study }) {
  return <p id="late">{useBlock(study).block_name}</p>;
}

function App() {
  const [study, setStudy] = useState(null);
  const [late, setLate] = useState(false);
  window.join = async () => setStudy((window.study = await connect({ participant: 1 })));
  window.showLate = () => setLate(true);
  const unsent = useUnsent(study);
  return (
    <>
      <Place study={study} />
      {late && <Late study={study} />}
      <p id="unsent">{unsent}</p>
    </>
  );
}

const strict = new URLSearchParams(location.search).has("strict");
createRoot(document.querySelector("#app")).render(strict ? <StrictMode><App /></StrictMode> : <App />);
