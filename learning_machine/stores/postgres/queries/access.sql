-- name: enter
-- What a transaction may see and do: the role without bypass, the schema, and who is asking. Local to the transaction.
select set_config('role', %(role)s, true),
       set_config('search_path', %(search_path)s, true),
       set_config('statement_timeout', %(timeout)s, true),
       set_config('learning_machine.user_id', coalesce(%(user_id)s, ''), true),
       set_config('learning_machine.session', coalesce(%(session)s, ''), true),
       set_config('learning_machine.groups', %(groups)s::text[]::text, true),
       set_config('learning_machine.spaces', coalesce(%(spaces)s::bigint[]::text, ''), true);

-- name: plan_once
-- A reading transaction whose plans are made once a connection, for whatever is asked. A plan made while tables were small would still read all of them
-- when they have grown, so none may; nor may one sort what a frequent word finds, where it was taken for rare, to join it.
select set_config('transaction_read_only', 'on', true), set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_mergejoin', 'off', true);

-- name: read_only
select set_config('transaction_read_only', 'on', true);

-- name: spaces
-- The ids of the spaces this transaction may see, themselves filtered by row-level security.
select set_config('learning_machine.spaces', coalesce(array_agg(id)::text, ''), true) from space;

-- name: ensure_space
insert into space (kind, owner, session, grp)
select %(kind)s, %(owner)s, %(session)s, %(grp)s
where not exists (
    select from space
    where (kind, owner, session, grp) is not distinct from (%(kind)s, %(owner)s::text, %(session)s::text, %(grp)s::text))
on conflict do nothing;

-- name: space_id
select id from space
where (kind, owner, session, grp) is not distinct from (%(kind)s, %(owner)s::text, %(session)s::text, %(grp)s::text);

-- name: standing
-- What a connection is: its rights, and what is installed. One row; null where there is nothing yet. Only catalogs are
-- read, which everybody may. To be a member of a role is to be able to enter it: since PostgreSQL 16 these are two things.
select current_user as connected_as,
       current_setting('server_version_num')::int as server,
       current_database() as database,
       (select rolsuper or rolbypassrls from pg_roles where rolname = current_user) as bypasses,
       (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) as may_create_roles,
       (select rolsuper from pg_roles where rolname = current_user) as superuser,
       has_database_privilege(current_database(), 'create') as may_create_schema,
       (select pg_has_role(current_user, oid, case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end)
          from pg_roles where rolname = %(app)s) as is_app,
       (select pg_has_role(current_user, oid, case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end)
          from pg_roles where rolname = %(admin)s) as is_admin,
       (select has_schema_privilege(current_user, oid, 'usage') from pg_namespace where nspname = %(schema)s) as may_enter,
       (select has_schema_privilege(r.oid, n.oid, 'usage') from pg_roles r, pg_namespace n
         where r.rolname = %(app)s and n.nspname = %(schema)s) as granted,
       (select extversion from pg_extension where extname = 'vector') as vector_version,
       (select nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where extname = 'vector') as vector_schema,
       (select default_version from pg_available_extensions where name = 'vector') as vector_available,
       exists (select from pg_tables where schemaname = %(schema)s and tablename = 'schema_version') as migrated,
       exists (select from pg_tables where schemaname = %(jobs)s and tablename = 'procrastinate_jobs') as has_queue;

-- name: guarded
-- Whether row-level security really holds for who we are in this transaction, and whether pgvector is in reach.
select row_security_active('learning') as guarded, to_regtype('halfvec') is not null as has_vector;
