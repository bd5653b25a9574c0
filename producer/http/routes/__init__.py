"""What can be asked for, by topic: each route unwraps a request and calls one operation."""
