"""A camera's process: all that libav does is done in here, and none of it in the program that listens.

A camera sends what it likes, and drivers wait for as long as they like: ``VIDIOC_DQBUF`` of a V4L2 device
and the look-up of a name obey no time-out. A process can be ended whatever it is doing, its memory can be
limited, and when it crashes the microphone has not noticed.

`messages` is what both sides say to each other; the other side is `listener.actions.camera`. Nothing in here
imports more of the program, so that a process that is started for one picture is there soon.
"""
