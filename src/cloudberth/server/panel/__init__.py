"""The panel of tracing providers: where spans go, and how each of these places fares."""
