"""Pure: a raw person becomes a candidate, or is rejected with reasons."""
