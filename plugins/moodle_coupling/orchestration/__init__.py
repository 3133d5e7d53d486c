"""Airflow tasks and the DAG builder: thin glue over the other rooms."""
