"""The configuration of a Pacemaker cluster that a table stands for, and the ways to write it."""
