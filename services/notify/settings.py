"""Notify's own settings (`LIENTHONG_NOTIFY_…`)."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class NotifySettings(BaseSettings):
    """Who writes the mails, how they are merged, how fast they go out, how often a refused one is tried again."""

    model_config = SettingsConfigDict(env_prefix="LIENTHONG_NOTIFY_", extra="ignore")

    sender: str = Field(
        default="Hệ thống báo cáo thống kê <khong-tra-loi@lienthong.invalid>",
        description="the mails' From: a name and an address that the mail server lets us write from",
    )
    reply_to: str = Field(default="", description="where answers go; empty: to the sender")
    page_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="page where people send forms, a button in mails; empty: there is none, mails name ingest's door",
    )
    message_id_domain: str = Field(
        default="lienthong.invalid",
        pattern=r"^[A-Za-z0-9.-]+$",
        description="right side of a Message-ID",
    )
    settle_seconds: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="how long what belongs into one mail is waited for, in machine time",
    )
    tick_seconds: float = Field(
        default=0.5, gt=0, le=60, description="between two looks for reminders and mails to queue, in seconds"
    )
    send_poll_seconds: float = Field(
        default=0.5, gt=0, le=60, description="between two looks into the queue while it is empty, in seconds"
    )
    send_timeout_seconds: float = Field(
        default=25.0, gt=0, le=600, description="for one mail, from MAIL to the server's last answer"
    )
    lease_seconds: float = Field(
        default=30.0,
        ge=1,
        le=3600,
        description="how long a claimed mail is left to its sender, in machine time; longer than send_timeout_seconds",
    )
    attempts_max: int = Field(
        default=48, ge=1, le=1000, description="tries of a mail that is refused while others are taken"
    )
    retry_first_seconds: float = Field(
        default=5.0, gt=0, le=300, description="pause after the first refusal; it doubles"
    )
    retry_seconds_max: float = Field(default=300.0, gt=0, le=3600, description="longest pause between two tries")
    mails_per_second_max: float = Field(
        default=50.0, gt=0, le=1000, description="of one replica, so that the mail server is not flooded"
    )
    mails_per_connection_max: int = Field(default=100, ge=1, le=10_000, description="then a new connection is made")
    mistakes_shown_max: int = Field(
        default=10, ge=1, le=100, description="errors that a mail tells of one returned report"
    )
    units_batch_max: int = Field(
        default=20, ge=1, le=200, description="units whose reminders are planned in one transaction"
    )

    @model_validator(mode="after")
    def _a_lease_outlives_its_mail(self) -> Self:
        if self.lease_seconds <= self.send_timeout_seconds:
            raise ValueError("LIENTHONG_NOTIFY_LEASE_SECONDS must be longer than LIENTHONG_NOTIFY_SEND_TIMEOUT_SECONDS")
        return self
