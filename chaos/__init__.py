"""The chaos machine: breaks the whole stack on purpose while work flows, and balances the books at the end.

Like the demo it looks from outside, at topics, doors and mails; unlike it, it also holds the processes in its hand.
"""
