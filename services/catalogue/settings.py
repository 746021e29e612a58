"""The catalogue's own settings (`LIENTHONG_CATALOGUE_…`)."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CatalogueSettings(BaseSettings):
    """How often the catalogue looks, and how far ahead."""

    model_config = SettingsConfigDict(env_prefix="LIENTHONG_CATALOGUE_", extra="ignore")

    tick_seconds: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="between two looks for a new release and for deliveries to open, in seconds",
    )
    sweep_seconds: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="between two looks for deadlines that the watermark has passed, in seconds",
    )
    plan_days_ahead: int = Field(
        default=60, ge=1, le=400, description="how many days before they open deliveries are planned"
    )
    batch_deliveries_max: int = Field(
        default=500, ge=1, le=5000, description="deliveries that are opened or passed in one transaction"
    )
