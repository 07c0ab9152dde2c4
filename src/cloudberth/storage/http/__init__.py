"""The one HTTP core of all vendors: values (message.py), wire (connection.py, client.py), primitives (backend.py)."""
