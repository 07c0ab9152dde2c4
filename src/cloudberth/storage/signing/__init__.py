"""How vendors sign requests: a module a scheme, pure, without I/O, checked against the vendor's own SDK."""
