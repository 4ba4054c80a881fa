"""The fuzzer, ``python3 -m fuzz``: arbitrary and half-sensible input, and what must hold whatever comes.

``runner`` runs the cases of a target in processes and adds up the figures; a target makes a case from a random source
and checks it. ``table`` is the target for parser and compiler, with ``cltab`` for the making of tables and
``unitrules`` for what a compiled unit may hold. ``varlinkcalls`` and ``ldtmessages`` are the targets for the two
protocols of the control socket, over ``connection``, which needs no socket. README.md has the figures.
"""
