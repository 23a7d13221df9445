"""What the engine costs, beside what one would do without it: see docs/benchmarks.md."""
