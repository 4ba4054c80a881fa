"""The benchmarks, ``python3 -m bench``: ratios, measured side by side on a throwaway node of the lab.

``client_start`` and ``switch`` say what is measured, ``node`` prepares a node, ``rounds`` measures inside of it, and
``figures`` prints. README.md has the figures and what they mean.
"""
