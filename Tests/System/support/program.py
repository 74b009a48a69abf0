"""A Python program that calls evgateway.serve(), with the package of the build on its path."""

from .gateway import BUILD, Gateway

PACKAGE = BUILD / "evgateway_CPythonBridge.resources" / "python"


class Program(Gateway):
    """Started by the `program` fixture. `pid` is the program, which is the master while it serves."""

    program = ()

    def __init__(self, command, folder, env=None):
        super().__init__(command, cwd=folder, env={"PYTHONPATH": str(PACKAGE), "PYTHONUNBUFFERED": "1", **(env or {})})

    def said(self):
        """The lines of standard output when the program has ended."""
        self.output.thread.join(30)
        return self.output.text().splitlines()
