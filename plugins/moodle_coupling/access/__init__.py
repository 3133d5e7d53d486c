"""Pure: who belongs in which cohort and course, and the plan that comes of it."""
