"""How vendors sign requests. Each module is one scheme: pure, without I/O, checked against the vendor's own SDK."""
