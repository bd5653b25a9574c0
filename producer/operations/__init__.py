"""All that people change or look at, a module for each topic: what every door calls, and nothing else.

Each operation is a plain function whose first argument is a `Desk`; `@operation` asks its rule first.
Whatever changes something writes an entry of the audit log.
"""
