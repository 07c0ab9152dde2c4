"""The HTTP core of all vendors: values (message.py), wire (wire.py, connection.py), flows (backend.py)."""
