"""The files we send: their columns, and how cells are made safe."""
