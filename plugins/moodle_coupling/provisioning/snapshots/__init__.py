"""Reading all accounts of a Moodle: several ways behind one door (:mod:`moodle_coupling.provisioning.everyone`)."""
