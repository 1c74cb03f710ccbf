"""The only place that knows Postgres: connections, named queries, migrations, the embedded server and the queue."""
