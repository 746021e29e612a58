"""Text that a person reads, in Vietnamese and English."""

from pydantic import BaseModel, ConfigDict


class Text(BaseModel):
    """One sentence or name in both languages."""

    model_config = ConfigDict(frozen=True)

    vi: str
    en: str
