"""The ledger: the database that remembers links, runs, outcomes, mismatches and decisions.

The way in is :func:`moodle_coupling.ledger.ledger.open_ledger`; each subject's queries stand in a module of its name.
"""
