"""systemd as it is asked and told: over D-Bus, by the sockets and the words that it hands to a service."""
