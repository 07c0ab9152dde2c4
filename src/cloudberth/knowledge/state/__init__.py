"""What the knowledge service remembers: tables in SQLite or PostgreSQL, one module for each."""
