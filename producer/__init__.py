"""Producers: everything that starts or steers a run."""
