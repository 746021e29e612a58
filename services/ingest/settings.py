"""Ingest's own settings (`LIENTHONG_INGEST_…`)."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class IngestSettings(BaseSettings):
    """The doors' limits, and how often the watermark moves."""

    model_config = SettingsConfigDict(env_prefix="LIENTHONG_INGEST_", extra="ignore")

    body_bytes_max: int = Field(
        default=8 * 1024 * 1024, ge=1024, description="largest workbook (or form upload) that is taken, in bytes"
    )
    package_bytes_max: int = Field(
        default=512 * 1024,
        ge=1024,
        le=768 * 1024,
        description="largest JSON package, in bytes; Kafka takes messages up to 1 MiB",
    )
    unpacked_bytes_max: int = Field(
        default=64 * 1024 * 1024, ge=1024, description="largest workbook when unpacked, in bytes"
    )
    sheet_cells_max: int = Field(
        default=250_000, ge=1000, description="largest sheet: rows times columns up to the last cell"
    )
    body_seconds_max: float = Field(default=60.0, gt=0, description="how long a body may take to arrive, in seconds")
    lease_seconds: float = Field(
        default=10.0, ge=2, le=60, description="how long a replica's doors count without a sign of life, in seconds"
    )
    heartbeat_seconds: float = Field(default=0.5, gt=0, le=2, description="between two signs of life, in seconds")
    watermark_seconds: float = Field(
        default=1.0, gt=0, le=10, description="between two looks whether the watermark may move, in seconds"
    )
    workbook_wait_seconds_max: float = Field(
        default=5.0, gt=0, le=60, description="how long an upload waits for its turn to be read, in seconds; then 503"
    )
    topics_seconds: float = Field(
        default=2.0, gt=0, le=10, description="between two looks for agencies whose topics are to be made, in seconds"
    )
