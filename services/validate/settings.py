"""Validate's own settings (`LIENTHONG_VALIDATE_…`)."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ValidateSettings(BaseSettings):
    """How much a verdict says, and how long it waits for the catalogue."""

    model_config = SettingsConfigDict(env_prefix="LIENTHONG_VALIDATE_", extra="ignore")

    findings_max: int = Field(
        default=500, ge=1, le=5000, description="findings in one verdict; the counts of errors and warnings stay exact"
    )
    release_wait_seconds_max: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="how long a batch waits for the catalogue release of a submission before it is tried again",
    )
    check_bytes_max: int = Field(
        default=4 * 1024 * 1024, ge=1024, description="body of one dry run (`POST /v1/check`), in bytes"
    )
