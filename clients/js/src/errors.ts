/** The server said no, or cannot be asked. `code` never changes once released. */
export class StudyError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "StudyError";
  }
}
