"""Everything between this program and systemd: D-Bus, and the sockets and notifications of a service."""
