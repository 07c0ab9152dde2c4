"""Traces of LLM applications: recorded once, kept in one table, delivered to many providers."""
