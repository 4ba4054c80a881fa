"""The lab: throwaway systemd nodes in namespaces, over the running root, for tests and for trying things out.

A node boots in a fraction of a second, needs root and nothing installed beyond Debian's standard packages, and leaves
nothing on the host, not even when the process that booted it is killed.

Layers, arrows point down only::

    __main__                      command line
    roots                         roots of other releases, and the Debian package in them
    cluster                       three nodes with Pacemaker, shared storage and fencing
    programs                      Debian's programs over the running root, as a layer
    install   node                the project as an overlay layer; what tests use: boot, run, read, write, stop
    network                       a bridge between nodes, in a namespace; links that can be cut
    command   paths   host        how commands get in, where files lie, whether the host can run a lab
    machine   bootfiles           a virtual machine for one command, where this kernel has no cgroup controllers
         link                     the pipe to the supervisor process
    - - - - - - - - - - - - - -   process boundary
         supervisor               owns the cgroup and the overlay, forks PID 1, cleans up
         rootfs                   what the node sees: base layer, mounts
    spec   kernel   errors   waiting
"""
