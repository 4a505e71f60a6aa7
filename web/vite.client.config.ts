import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** The participants' client as one module, /client.js, for pages without tools of their own. */
export default defineConfig({
  build: {
    outDir: fileURLToPath(new URL("../experiment_server/server/dashboard/", import.meta.url)),
    emptyOutDir: false,
    lib: {
      entry: fileURLToPath(new URL("../clients/js/src/index.ts", import.meta.url)),
      formats: ["es"],
      fileName: () => "client.js",
    },
    rollupOptions: {
      external: ["socket.io-client"],
      // Our server has that too.
      output: { paths: { "socket.io-client": "/socket.io/socket.io.esm.min.js" } },
    },
  },
});
