"""Stand-ins that behave as a Moodle or a Coachview does, served over real HTTP."""
