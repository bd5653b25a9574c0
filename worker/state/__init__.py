"""What we remember: the only room that knows Redis keys and scripts."""
