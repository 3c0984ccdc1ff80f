"""Dispatch by Temporal: it delivers job ids to workers on any machine and retries until the job is final.

Temporal holds no state of a job: the row in the state database and its fence decide. The modules are imported only if
the settings choose this executor, and the sandbox of Temporal imports ``workflows`` alone; so this module imports
nothing.
"""
