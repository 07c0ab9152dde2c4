"""Parts of the embedded store: its file, its filters, and the vectors that it keeps in memory."""
