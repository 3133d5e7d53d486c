"""Reading the accounts of a Moodle and writing a plan into it, in batches."""
