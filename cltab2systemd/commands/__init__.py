"""The commands of cltab2systemd: their arguments, what they print, and their exit codes."""
