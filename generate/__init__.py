"""What is written from click's definitions of the commands: the completions of three shells, and parts of man pages.

`make generated` writes it. The files are committed, so that nothing that builds a package needs this, and a test tells
when one is not what would be written. Nothing here is installed.
"""
