"""listener: a machine that hears something and does something about it.

The package reads in the direction in which sound flows::

    sources -> ring -> windows -> features -> classifiers -> events -> actions

``types`` names every value on that way, ``pipeline`` runs it with threads and
``offline`` without.
"""

__version__ = "0.1.0"
