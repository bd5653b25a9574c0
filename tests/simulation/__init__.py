"""Many workers on one thread, by a clock of their own: refreshes by the thousand, in whatever weather."""
