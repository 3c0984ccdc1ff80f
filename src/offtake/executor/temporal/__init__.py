"""Temporal as a doorbell: it carries job ids to workers on any machine, and rings until somebody has seen to them.

Nothing here decides what becomes of a job: the row and its fence do. Modules are imported when this executor is chosen,
``workflows`` alone by Temporal's sandbox; so this one imports nothing.
"""
