"""The HTTP door: the same operations as the command line's, for whoever has a token."""
