"""How the mail server does, from what it answers: so that its own faults cost no mail."""

CONTACTS_MIN = 2
"""One mailbox that takes nothing is its owner's matter; two in a row are the server's."""
PROOFS_MIN = 2
"""How often a mail must be refused again after others were taken, until the fault is its own: a server may waver."""


class MailHealth:
    """What one sender has seen of the mail server."""

    def __init__(self) -> None:
        self._silent = False
        self._refused: dict[str, None] = {}  # contacts since the last mail that was taken
        self._taken_count = 0
        self._proofs: dict[int, tuple[int, int]] = {}  # by mail: how often, and how many were taken at its last refusal

    @property
    def good(self) -> bool:
        """Whether the server answers, and does not refuse one mailbox after the other; readiness tells."""
        return not self._silent and len(self._refused) < CONTACTS_MIN

    def silent(self) -> None:
        """Note that it cannot be reached, or has left us waiting."""
        self._silent = True

    def at_rest(self) -> None:
        """There was a connection, and nothing left to send over it."""
        self._silent = False

    def taken(self, mail_id: int) -> None:
        """Note that it has taken a mail."""
        self._silent = False
        self._refused.clear()
        self._taken_count += 1
        self._proofs.pop(mail_id, None)

    def refused(self, mail_id: int, contact_id: str) -> bool:
        """Note a refusal; return whether the fault is that mail's: again and again it was refused and others taken.

        Else the server may refuse all: a mail is not given up for that.
        """
        self._silent = False
        self._refused[contact_id] = None
        proofs, taken_count = self._proofs.get(mail_id, (0, self._taken_count))
        proofs += self._taken_count > taken_count
        self._proofs[mail_id] = proofs, self._taken_count
        return proofs >= PROOFS_MIN

    def done_with(self, mail_id: int, contact_id: str) -> None:
        """Forget a mail that was given up, or is not sent any more: it says nothing of the server."""
        self._refused.pop(contact_id, None)
        self._proofs.pop(mail_id, None)
