-- name: lock
select pg_advisory_xact_lock(hashtextextended('learning machine migrations ' || %(schema)s, 0));

-- name: versions_table
create table if not exists schema_version (
    version     int primary key,
    name        text not null,
    oldest_code int not null,
    applied_at  timestamptz not null default clock_timestamp()
);

-- name: versions
select version, name, oldest_code from schema_version order by version;

-- name: record
insert into schema_version (version, name, oldest_code) values (%(version)s, %(name)s, %(oldest_code)s);

-- name: queue_versions
select name from queue_version;

-- name: record_queue
insert into queue_version (name) values (%(name)s);

-- name: vector
create extension if not exists vector;

-- name: load_vector
select '[1]'::vector;
