"""Settings that all services share, read from the environment (`LIENTHONG_…`)."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CommonSettings(BaseSettings):
    """Where the parts are, and how a service meets them."""

    model_config = SettingsConfigDict(env_prefix="LIENTHONG_", extra="ignore")

    bootstrap_servers: str = Field(default="127.0.0.1:9092", description="Kafka bootstrap servers, comma separated")
    database_url: str = Field(
        default="postgresql+asyncpg://127.0.0.1/lienthong", description="PostgreSQL, as an SQLAlchemy asyncpg URL"
    )
    smtp_url: str = Field(default="smtp://127.0.0.1:25", description="the office's SMTP server: smtp:// or smtps://")
    objects: Path = Field(default=Path(".lienthong/objects"), description="write-once folder for original files")
    http_host: str = Field(default="127.0.0.1", description="address that a service listens on")
    http_port: int = Field(default=8000, ge=0, le=65535, description="port that a service listens on")
    ingest_url: str = Field(default="http://127.0.0.1:8000", description="ingest's public address, for links in mails")
    clock: Path | None = Field(default=None, description="file of business-clock offsets; only with simulated=true")
    simulated: bool = Field(default=False, description="whether business time may differ from machine time")
    log_format: Literal["auto", "json", "console"] = Field(default="auto", description="auto: console on a terminal")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")
    database_pool_size: int = Field(default=8, ge=2, description="connections a service keeps")
