"""Stand-ins that behave as a Moodle does, served over real HTTP."""
