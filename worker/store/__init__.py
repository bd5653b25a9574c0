"""Staged chunks and reports: encrypted objects in a local folder or an object store."""
