"""The benchmarks, ``python3 -m bench``: ratios, measured side by side in one run on throwaway nodes of the lab.

``client_start``, ``switch``, ``generator_idle``, ``generator_full``, ``check`` and ``reload`` say what is measured,
``inputs`` makes tables, ``generators`` has other programs' generators, ``node`` prepares a node, ``rounds`` measures
inside of it, and ``figures`` prints. README.md has the figures and what they mean.
"""
