"""Khoros Care analytics reports (the Khoros contract): HTTP Basic, parameters in query or form, all values as text."""
