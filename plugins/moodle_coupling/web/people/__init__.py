"""The pages of one person: everything that ever happened to it, and its way from the source to Moodle."""
