"""Where persons come from: every source gives one frame in the declared columns."""
