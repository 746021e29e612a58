"""`python -m services.ingest`: runs the service with what the environment says (`LIENTHONG_…`)."""

import uvicorn

from services.ingest.app import build_app
from services.ingest.storage.tables import SERVICE
from shared.logs import configure_logs
from shared.settings import CommonSettings

if __name__ == "__main__":
    settings = CommonSettings()
    configure_logs(SERVICE, settings.log_format, settings.log_level)
    uvicorn.run(
        build_app(settings), host=settings.http_host, port=settings.http_port, log_config=None, access_log=False
    )
