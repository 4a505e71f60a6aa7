/** The server said no, or cannot be asked. `code` never changes once released. */
export class StudyError extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** The record that was refused, where the error is about one. */
    readonly record_id?: string | undefined,
  ) {
    super(message);
    this.name = "StudyError";
  }
}
