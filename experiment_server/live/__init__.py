"""The running study: one writer, the table of operations, and who is told what."""
