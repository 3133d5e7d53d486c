"""The pages that analysts and engineers see inside Airflow's UI; how to write one stands in templating.py."""
