"""Pure: candidates and accounts become matches, and matches become a plan."""
