"""The wire: one hook per system we talk to, and nothing else."""
