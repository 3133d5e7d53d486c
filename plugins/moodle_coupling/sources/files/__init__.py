"""Persons from a file: CSV, XLSX or Parquet, on a disk or in object storage."""
