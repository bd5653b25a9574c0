"""The same operations, of an installation that is somewhere else: over its HTTP API, with a token.

Commands don't know of it. `Elsewhere` stands where the installation would be, `RemoteDesk` carries operations
out by the table in `calls`, and whatever is not in the table can't be done from here.
"""
