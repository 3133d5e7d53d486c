"""Reading the accounts of a Moodle: several ways behind one door (accounts.py), each of them complete and checked."""
