"""One module a page: its routes."""
