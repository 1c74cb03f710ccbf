-- People own what is known of them: what was erased is not brought back, and a receipt says what was removed.
-- oldest code: 1

-- What the digests of erased things are salted with. One row.
create table installation (
    single boolean primary key default true check (single),
    salt bytea not null default sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
);
insert into installation default values;

-- A digest of something that a person said or that was learned of them. It tells nothing to who does not know it already,
-- and who does can ask only here: the salt is for this function alone, so that nobody tries guesses elsewhere.
do $do$
begin
    execute format($create$
        create function erased_digest(owner text, what text, content text) returns bytea language sql stable security definer
        set search_path = %I, pg_temp as $$
            select sha256((select salt from installation) || convert_to(concat_ws(chr(31), owner, what, content), 'UTF8'))
        $$ $create$, current_schema());
end
$do$;

-- A person's space goes with them, and comes anew when they do. So tombstones are found by their digest alone, which holds
-- who it was; and the record of changes, which is a chain, outlives the space it tells of.
alter table tombstone drop constraint tombstone_space_fkey;
alter table change drop constraint change_space_fkey;
create index tombstone_digest on tombstone (digest);
create policy recognised on tombstone for select using (true);

-- Was this said before its speaker, or its thread, was erased? `began`: when the turn began that says it.
create function said_before_erasure(speaker text, thread text, key text, began timestamptz) returns boolean language sql stable as $$
    select exists (select from tombstone t where t.digest = erased_digest(speaker, 'message', concat_ws(chr(31), thread, key)))
        or exists (select from tombstone t
                   where t.digest in (erased_digest(speaker, 'person', ''), erased_digest(speaker, 'thread', thread))
                     and t.erased_at > began)
$$;

-- Hold off erasures of a thread until the transaction ends, and say when it was erased last, if it was: whoever saves its
-- checkpoints asks this each time. What was written by the one waited for is seen, because each statement looks anew.
do $do$
begin
    execute format($create$
        create function hold_thread(thread text) returns timestamptz language plpgsql security definer
        set search_path = %I, pg_temp as $$
        begin
            perform pg_advisory_xact_lock_shared(hashtext('learning machine checkpoints'), hashtext(thread) & 63);
            return (select max(erased_at) from tombstone where digest = erased_digest('', 'checkpoints', thread));
        end $$ $create$, current_schema());
end
$do$;
-- The same where the thread is to be one that never was erased. An error breaks off what follows on it in a pipeline.
create function hold_unerased_thread(thread text) returns void language plpgsql as $$
begin
    if hold_thread(thread) is not null then
        raise exception 'the thread was erased once' using errcode = 'LM001';
    end if;
end $$;

-- What was removed, by whom it was asked, and what was out of reach. It names nobody. `digest` covers the receipt.
create table erasure (
    id        uuid primary key,
    began_at  timestamptz not null default clock_timestamp(),
    done_at   timestamptz,
    receipt   jsonb not null default '{}',
    digest    bytea
);
alter table erasure enable row level security;
alter table erasure force row level security;

-- Who decided is a person too. New rows of the chain cover a digest of the actor, so that a name can go and the chain stays.
alter table change add column actor_mark bytea;
create or replace function change_digest(previous bytea, row_ change) returns bytea language sql stable as $$
    select sha256(previous || row_.payload || convert_to(concat_ws('|', row_.space, row_.place, row_.action, row_.learning, row_.proposal,
        coalesce(encode(row_.actor_mark, 'hex'), row_.actor), row_.origin, row_.batch, extract(epoch from row_.at)), 'UTF8'))
$$;
create or replace function chain_change() returns trigger language plpgsql as $$
declare last change;
begin
    perform pg_advisory_xact_lock(hashtextextended('audit ' || new.space, 11));
    select * into last from change where space = new.space order by place desc limit 1;
    new.place := coalesce(last.place, 0) + 1;
    new.at := clock_timestamp();
    new.salt := uuid_send(gen_random_uuid());
    new.payload := payload_digest(new.salt, new.before, new.after);
    new.actor_mark := sha256(new.salt || convert_to(coalesce(new.actor, ''), 'UTF8'));
    new.digest := change_digest(coalesce(last.digest, ''::bytea), new);
    return new;
end
$$;

-- Which file of which name was brought in by which batch, so that what came from a document can be taken out again.
create table imported (
    space  bigint not null references space,
    batch  uuid not null,
    source text not null,
    at     timestamptz not null default clock_timestamp(),
    primary key (space, batch)
);
-- The batch that brought a turn, where a file did.
alter table turn add column imported uuid;
create index turn_imported on turn (space, imported) where imported is not null;
alter table imported enable row level security;
alter table imported force row level security;
create policy visible on imported using
    (space = any ((select nullif(current_setting('learning_machine.spaces', true), '')::bigint[])::bigint[]));

-- Is a learning about one of these things, or does it speak of one by a name of it?
create function about_thing(row_ learning, things text[], pattern text) returns boolean language sql stable as $$
    select row_.slot = any (things) or row_.subject = any (things) or row_.target = any (things)
        or concat_ws(chr(10), row_.name, row_.text, row_.found_by, row_.value::text) ~* pattern
$$;

-- The administrator, who erases, may also take the name of a person out of a row that stays. Everybody else is kept from
-- changing what was learned, as before.
drop trigger keep_learning on learning;
create trigger keep_learning before update on learning for each row
    when (current_user <> (current_schema() || '_admin')::name) execute function keep_learning();

-- What is left of a space: rows of every table that has a space, but the record of changes and the tombstones. With
-- `removing` they go, and the result says how many of what there were.
create function rows_of_space(gone bigint, removing boolean) returns jsonb language plpgsql as $$
declare
    name  text;
    found bigint;
    counts jsonb := '{}';
begin
    for name in
        select t.relname from pg_attribute a join pg_class t on t.oid = a.attrelid join pg_namespace n on n.oid = t.relnamespace
        where n.nspname = current_schema() and t.relkind = 'r' and a.attname = 'space' and not a.attisdropped
          and t.relname not in ('change', 'tombstone')
        order by t.relname = 'learning', t.relname = 'turn', t.relname
    loop
        if removing then
            execute format('delete from %I where space = $1', name) using gone;
            get diagnostics found = row_count;
        else
            execute format('select count(*) from %I where space = $1', name) into found using gone;
        end if;
        if found > 0 then counts := counts || jsonb_build_object(name, found); end if;
    end loop;
    return counts;
end
$$;
