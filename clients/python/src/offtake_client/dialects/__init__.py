"""Exports of the dialects: the wire formats of Khoros, Talkdesk and Loop, spoken by those systems and by Offtake.

The manual's wire contracts describe them. A dialect has no manifest: a file is compared with what the server states
when it is downloaded (``dialects.files``).
"""
