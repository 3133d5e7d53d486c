"""Access on its way to and from Moodle: reading cohorts and courses, and loading a plan of access."""
