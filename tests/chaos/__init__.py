"""Faults on purpose: what must hold while processes die, Redis fails, and everything is late."""
