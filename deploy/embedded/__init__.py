"""The embedded default: Apache Kafka, PostgreSQL and a mailbox from wheels, and the supervisor of `lienthong up`."""
