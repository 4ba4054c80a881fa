"""The benchmarks, ``python3 -m bench``: ratios, measured side by side in one run on throwaway nodes of the lab.

``client_start``, ``switch``, ``generator_idle``, ``generator_full``, ``check``, ``reload``, ``many_groups``,
``memory``, ``outcome``, ``status``, ``agent``, ``idle`` and ``soak`` say what is measured, ``inputs`` makes tables,
``packages`` and ``generators`` have other programs, ``node`` prepares a node, ``rounds``, ``watch`` and ``load`` run
inside of it, and ``figures`` prints. README.md has the figures and what they mean.
"""
