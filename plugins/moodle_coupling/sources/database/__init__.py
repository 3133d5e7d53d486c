"""Persons from a database, by a table or a query."""
