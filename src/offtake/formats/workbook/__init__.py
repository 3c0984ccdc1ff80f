"""The pieces of an xlsx file: cells made by the engine, the parts around them, the package, and its check."""
