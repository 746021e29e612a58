"""Every metric of the catalogue: name, meaning, labels."""

from prometheus_client import Counter, Gauge, Histogram

DEADLINE_EVENTS = Counter("lienthong_catalogue_deadline_events", "Deadline events published, by type", ["type"])
UNKNOWN_DELIVERIES = Counter(
    "lienthong_catalogue_unknown_deliveries", "Facts read about deliveries that the catalogue does not have"
)
RELEASE = Gauge("lienthong_catalogue_release", "Newest catalogue release in force")
DELIVERIES = Gauge("lienthong_catalogue_deliveries", "Deliveries with a date, by state", ["state"])
PLANNING_SECONDS = Histogram(
    "lienthong_catalogue_planning_seconds",
    "Time to work out the deliveries of a release or a day, in seconds",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
JOB_FAILURES = Counter("lienthong_catalogue_job_failures", "Runs of a job that a broken world ended", ["job"])
WORKBOOKS = Counter("lienthong_catalogue_workbooks", "Excel forms rendered")
