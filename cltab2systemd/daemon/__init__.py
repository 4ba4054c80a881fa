"""The control daemon around its core: sockets, clients, the status file, the log, its start and its end."""
