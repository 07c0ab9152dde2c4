"""Trimmed provider schemas as package data; README.md says where they come from."""
