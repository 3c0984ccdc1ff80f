"""The dialects. To add one, create its folder, and add it to ``presentations.py`` and to ``dialects.py``."""
