"""Writing a plan into a Moodle, in batches: one outcome per row, and nothing sent that was not planned (loader.py)."""
