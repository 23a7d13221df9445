"""``use: mqtt``: tell a broker of what was heard, and Home Assistant how all is.

::

    run -> outbox (a file, bounded) --.
                                       courier -> connection (paho) -> broker
    program -> home -> states --------'

All but the two on the left belongs to one thread, the link's.

An event waits in the outbox until the broker has acknowledged it, over a restart of either side. What
describes how things are (the states) is not queued: whoever connects is told how it is then.
"""

from listener.actions.mqtt.action import MqttAction

__all__ = ["MqttAction"]
