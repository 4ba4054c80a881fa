"""The demos, ``python3 -m demo [cluster]``: an example table on throwaway nodes of the lab, step by step and checked.

``cltab`` is the example, ``steps`` what is shown, ``stage`` how it is run, printed and checked. On a cluster of three
nodes, ``cltab-of-the-cluster`` is the example, and ``failover`` what is shown.
"""
