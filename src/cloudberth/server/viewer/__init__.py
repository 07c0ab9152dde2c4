"""The viewer of traces: overview, lists, one trace as a waterfall, sessions."""
