"""Quantities per resource type; prices are kept apart (cost/pricebook.py)."""
