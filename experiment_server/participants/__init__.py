"""Where a participant stands and how they move. No I/O; the clock comes in as an argument."""
