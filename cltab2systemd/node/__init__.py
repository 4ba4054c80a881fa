"""Throwaway systemd nodes in namespaces, over a root that they cannot change: for rehearsals, and for tests.

A node boots in a fraction of a second, needs root and nothing installed beyond a distribution's standard packages, and
leaves nothing on the host, not even when the process that booted it is killed.

Layers, arrows point down only::

    node                          what others use: boot, run, read, write, stop
    command   paths   host        how commands get in, where files lie, whether the host can run a node
         link                     the pipe to the supervisor process
    - - - - - - - - - - - - - -   process boundary
         supervisor               owns the cgroup and the overlay, forks PID 1, cleans up
         rootfs                   what the node sees: base layer, mounts
    spec   kernel   errors   mounts
"""
