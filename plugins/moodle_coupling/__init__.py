"""Moodle coupling: people from a training administration into Moodle, with Apache Airflow."""
