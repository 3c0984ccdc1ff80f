"""Dispatch by Temporal: it delivers job ids to workers on any machine and retries until the job is final.

Nothing here decides what becomes of a job: the row and its fence do. Modules are imported when this executor is chosen,
``workflows`` alone by Temporal's sandbox; so this one imports nothing.
"""
