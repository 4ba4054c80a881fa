"""Rehearsals: the switches that a table leads to, made on a throwaway systemd and compared with what is foretold."""
