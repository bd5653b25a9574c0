"""What a worker does: plan a run, upload a chunk, finish a run. Here the far sides are brought together."""
