"""Benchmarks that anyone can repeat: `python -m bench.million`, say.

There are `.delta`, `.latency`, `.events`, `.commands`, `.idle`, `.outage` and `.recovery`, too. Each starts
all that it needs on this machine (a Valkey, a stand-in for Mailchimp, worker processes) and prints tables as
docs/benchmarks.md has them. They read Linux's /proc. They fail only when an outcome is wrong, never for
being slow.
"""
