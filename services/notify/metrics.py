"""Every metric of notify: name, meaning, labels."""

from prometheus_client import Counter, Gauge, Histogram

RELEASE = Gauge("lienthong_notify_release", "Newest catalogue release in force")
STEPS = Counter("lienthong_notify_steps", "Steps that somebody is to be told, by kind", ["kind"])
NOBODY = Counter("lienthong_notify_nobody", "Steps of which nobody could be told: the unit has no contact", ["kind"])
STRUCK_OUT = Counter(
    "lienthong_notify_struck_out", "Notices struck out by the last look before sending, by reason", ["reason"]
)
MAILS = Counter("lienthong_notify_mails", "Mails that came to an end, by kind and state", ["kind", "state"])
SEND_FAILURES = Counter("lienthong_notify_send_failures", "Tries to send that failed for the moment", ["cause"])
SEND_SECONDS = Histogram(
    "lienthong_notify_send_seconds",
    "Time that the mail server takes for one mail, in seconds",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
QUEUE = Gauge("lienthong_notify_queue", "Mails in the queue, by state", ["state"])
QUEUE_AGE = Gauge("lienthong_notify_queue_age_seconds", "Machine time that the oldest unsent mail has waited")
JOB_FAILURES = Counter("lienthong_notify_job_failures", "Runs of a job that a broken world ended", ["job"])
