"""Persons straight from Coachview."""
