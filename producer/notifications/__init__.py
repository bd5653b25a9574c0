"""Telling people of runs: what is said, the ways it goes, and that it goes at least once."""
