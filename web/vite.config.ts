import { copyFile, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const OUTPUT = fileURLToPath(new URL("../experiment_server/server/dashboard/", import.meta.url));

/** The Socket.IO client, for participants' web apps: a lab without internet has no CDN. */
function socketClient(): Plugin {
  return {
    name: "socket-client",
    async closeBundle() {
      await mkdir(`${OUTPUT}socket.io`, { recursive: true });
      for (const file of ["socket.io.min.js", "socket.io.esm.min.js"]) {
        const built = new URL(`node_modules/socket.io-client/dist/${file}`, import.meta.url);
        await copyFile(built, `${OUTPUT}socket.io/${file}`);
      }
    },
  };
}

export default defineConfig({
  plugins: [socketClient()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    // Nothing is inlined: the page forbids inline scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
