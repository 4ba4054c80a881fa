"""Tables of other programs into ours. Pure."""
