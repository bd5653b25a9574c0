"""The product's promises, as tests against the whole system."""
