"""The Python side of the gateway: finds the app, starts the extension module, and reports what goes wrong."""
