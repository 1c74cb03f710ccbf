-- Two roles nobody can log in as. Roles belong to the whole server, so another database may be making them right now.
do $$
declare
    name text;
    caller_is_superuser boolean := (select rolsuper from pg_roles where rolname = current_user);
begin
    foreach name in array array[{app_name}, {admin_name}] loop
        if not exists (select from pg_roles where rolname = name) then
            begin
                execute format('create role %I nologin nosuperuser nobypassrls', name);
            exception when duplicate_object or unique_violation then null;
            end;
        end if;
        -- Since PostgreSQL 16 who makes a role may hand it out, but not enter it before it is granted to them too.
        if not caller_is_superuser and not pg_has_role(current_user, name,
                case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end) then
            execute format('grant %I to current_user', name);
        end if;
    end loop;
end
$$;
