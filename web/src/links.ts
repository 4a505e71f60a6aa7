/** The addresses that links for other devices begin with. */

/** Those that the server names; its own page's one where the server knows of none but itself. */
export function basesOf(urls: readonly string[], origin: string): string[] {
  return urls.every(leadsNowhereElse) && !leadsNowhereElse(origin) ? [origin] : [...urls];
}

/** Whether an address leads other devices to themselves. */
export function leadsNowhereElse(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}
