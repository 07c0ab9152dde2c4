"""Stores that speak MySQL's protocol: one client, and a record for each dialect."""
