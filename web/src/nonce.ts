/** What allows a style that a script makes: the page's own, see its Content-Security-Policy. */
export function nonce(): string {
  return document.getElementById("first-snapshot")?.nonce ?? "";
}
