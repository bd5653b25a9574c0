"""What an export is: profiles, chunks, outcomes. No Redis, no HTTP, no queue in this room."""
