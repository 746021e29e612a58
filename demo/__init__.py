"""`make demo`: play a month of reports from outside, then check that the books balance.

Everything here is a stranger to the system: it reads topics, HTTP, the mailbox, its own ledger and the sample's CSV
files, and imports neither the services nor what they share.
"""
