"""The pages of environments: how each is, how it is set up, and its runs started and paused."""
