-- What the two roles may do, said again after every migration. {app} reads and writes under row-level security;
-- {admin} sees every space and is used by migrate, erase, export-all and audit alone.
grant usage on schema {schema}, {jobs}, {vector_schema} to {app}, {admin};

grant select, insert on all tables in schema {schema} to {app};
revoke insert on {schema}.schema_version, {schema}.queue_version, {schema}.tombstone from {app};
grant update on {schema}.proposal, {schema}.turn, {schema}.message, {schema}.learning, {schema}.posting, {schema}.embedding, {schema}.job_error to {app};
grant delete on {schema}.spending, {schema}.message, {schema}.posting, {schema}.embedding, {schema}.job_error to {app};
grant select, insert, update, delete on all tables in schema {schema} to {admin};
grant usage, select on all sequences in schema {schema} to {app}, {admin};
grant update on all sequences in schema {schema} to {admin};

grant select, insert, update, delete on all tables in schema {jobs} to {app}, {admin};
grant usage, select on all sequences in schema {jobs} to {app}, {admin};
grant execute on all functions in schema {schema}, {jobs} to {app}, {admin};

do $$
declare name text;
begin
    -- Only where it is missing: a new policy waits for everybody who uses the table, and they may wait for us.
    for name in
        select tablename from pg_tables t where schemaname = {schema_name} and rowsecurity
           and not exists (select from pg_policies p where p.schemaname = t.schemaname and p.tablename = t.tablename
                           and p.policyname = 'administered')
    loop
        execute format('create policy administered on %I.%I to %I using (true)', {schema_name}, name, {admin_name});
    end loop;
end
$$;

do $$
begin
    -- Of what was learned the application deletes only what curation archived; erasure, which is the administrator's, anything.
    if not exists (select from pg_policies where schemaname = {schema_name} and tablename = 'learning' and policyname = 'archived_only') then
        create policy archived_only on {schema}.learning as restrictive for delete to {app} using (status = 'archived');
    end if;
end
$$;

do $$
begin
    -- What the digests of erased things are salted with is for the function that makes them.
    if to_regclass(format('%I.installation', {schema_name})) is not null then
        revoke all on {schema}.installation from {app};
    end if;
end
$$;

-- What later migrations bring is granted as soon as it is there, for this is said after each of them. The column, if one
-- is named, is all that may be changed.
do $$
declare
    one  text[];
    name text;
begin
    foreach one slice 1 in array array[
        ['curation', 'report', 'update', ''], ['strength', 'since', 'update, delete', ''], ['archived', 'survivor', 'delete', 'learning'],
        ['evidence', 'withdrawn_at', 'update (withdrawn_at)', ''], ['derived_from', 'fallen_at', 'update (fallen_at)', ''],
        ['root', 'abandoned_at', 'update (abandoned_at)', ''], ['flag', 'verdict', 'update (settled_at, settled_by, verdict)', '']
    ] loop
        if exists (select from pg_attribute where attrelid = to_regclass(format('%I.%I', {schema_name}, one[1])) and attname = one[2]) then
            name := coalesce(nullif(one[4], ''), one[1]);
            execute format('grant %s on %I.%I to %I', one[3], {schema_name}, name, {app_name});
        end if;
    end loop;
end
$$;
