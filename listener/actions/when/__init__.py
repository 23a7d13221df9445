"""When an action answers: pure, and in stream time."""
