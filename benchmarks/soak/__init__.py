"""Days of sound, with faults, through the engine as it is: ``python -m benchmarks.soak --hours 24``."""
