"""The demo, ``python3 -m demo``: an example table on a throwaway node of the lab, step by step, each step checked.

``cltab`` is the example, ``steps`` what is shown, ``stage`` how it is run, printed and checked.
"""
