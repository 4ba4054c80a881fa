"""The lab: what tests, and whoever tries things out, have in throwaway nodes, which are the product's own (`node`).

Layers, arrows point down only::

    __main__                      command line
    roots                         roots of other releases, and the Debian package in them
    cluster                       three nodes with Pacemaker, shared storage and fencing
    programs                      Debian's programs over the running root, as a layer
    install   node                the project as an overlay layer; what tests use: boot, run, read, write, stop
    network                       a bridge between nodes, in a namespace; links that can be cut
    machine   bootfiles           a virtual machine for one command, where this kernel has no cgroup controllers
    errors    waiting   layers    directories that are made once
"""
