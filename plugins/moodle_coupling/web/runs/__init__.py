"""The pages of runs: what each found, planned and wrote."""
