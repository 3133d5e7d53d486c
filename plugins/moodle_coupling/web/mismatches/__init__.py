"""The pages on which analysts judge mismatches."""
