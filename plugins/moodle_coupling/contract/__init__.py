"""What the rooms share, each piece once; the lowest room: it imports the standard library and pydantic, and nothing of ours."""
