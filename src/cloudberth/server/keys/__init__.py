"""The keys with which applications send spans."""
