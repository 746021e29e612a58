"""Every metric of ingest: name, meaning, labels. Labels are closed lists."""

from prometheus_client import Counter, Gauge, Histogram

PACKAGES = Counter("lienthong_ingest_packages", "Packages by door and outcome", ["channel", "outcome"])
CELLS = Counter("lienthong_ingest_cells", "Cells of submissions taken in, missing ones too", ["channel"])
EXPLANATIONS = Counter("lienthong_ingest_explanations", "Explanations by outcome", ["outcome"])
VERDICTS = Counter("lienthong_ingest_verdicts", "Merged verdicts of packages, by verdict", ["verdict"])
REFUSED = Counter("lienthong_ingest_requests_refused", "HTTP requests refused, by problem code", ["code"])
REQUEST_SECONDS = Histogram(
    "lienthong_ingest_request_seconds",
    "From the end of a body to the commit, in seconds",
    ["channel"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WATERMARK = Gauge("lienthong_ingest_watermark_timestamp", "Last watermark published, business time, Unix seconds")
WATERMARK_LAG = Gauge(
    "lienthong_ingest_watermark_lag_seconds", "How far the least source is behind machine time, in seconds"
)
SOURCES_LOST = Counter("lienthong_ingest_sources_lost", "Times that this replica's lease ran out")
SOURCES_EXPIRED = Counter("lienthong_ingest_sources_expired", "Leases of replicas that this one took away")
TOPICS_REFUSED = Gauge("lienthong_ingest_topics_refused", "Agencies whose topics cannot be made or have a wrong shape")
JOB_FAILURES = Counter("lienthong_ingest_job_failures", "Runs of a job that a broken world ended", ["job"])
RELEASE = Gauge("lienthong_ingest_release", "Catalogue release in force")
