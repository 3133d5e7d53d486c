"""What every page stands on: who may do what, languages, templates, errors and proof against forged requests."""
