"""A microphone that goes wrong on purpose, for who wants to see what comes of it.

What goes wrong is a plan, written by hand (`faults`) or drawn from a seed (`plans`). The
microphone keeps the truth about what it gave and what it kept (`truth`), to the sample, so
that it can be held against what the engine says. It lives by a clock of its own
(`clocks`): days pass in minutes, or at the pace of a real one.
"""
