"""Every metric of validate: name, meaning, labels."""

from prometheus_client import Counter, Gauge, Histogram

JUDGEMENTS = Counter("lienthong_validate_judgements", "Judgements made, by verdict and kind", ["verdict", "kind"])
FINDINGS = Counter("lienthong_validate_findings", "Findings, by severity", ["severity"])
RULES = Counter("lienthong_validate_rules", "Rules evaluated, by outcome", ["outcome"])
NOT_APPLICABLE = Counter("lienthong_validate_rules_not_applicable", "Rules that did not apply, by reason", ["reason"])
VERDICT_SECONDS = Histogram(
    "lienthong_validate_verdict_seconds",
    "From the submission's Kafka timestamp to its judgement, machine time, in seconds",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
IGNORED_EXPLANATIONS = Counter(
    "lienthong_validate_ignored_explanations", "Explanations of versions that wanted none (any more)"
)
JOB_FAILURES = Counter("lienthong_validate_job_failures", "Runs of a job that a broken world ended", ["job"])
RELEASE = Gauge("lienthong_validate_catalogue_release", "Catalogue release in force")
