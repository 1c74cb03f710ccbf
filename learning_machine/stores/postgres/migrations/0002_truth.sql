-- Truth over time: since when and until when something held, what rests on what, what was undone, and what shared
-- knowledge came from a conversation that went another way.
-- oldest code: 1

-- `holds_from` and `holds_to`: from when until when a value held as far as was known when it was learned; open where
-- nothing is known. They are content. `true_to` is when it ceased, as far as is known now. `stale_at`: since when something
-- that it was derived from no longer holds. A `past` row held once and never stood open; an `undone` one never counted.
alter table learning
    add column holds_from timestamptz,
    add column holds_to   timestamptz,
    add column stale_at   timestamptz,
    drop constraint learning_status_check,
    add constraint learning_status_check check (status in ('active', 'retired', 'challenge', 'archived', 'past', 'undone'));

-- What was superseded before this migration held until then.
alter table learning no force row level security;
update learning
   set holds_from = coalesce(true_from, case when supersedes is not null then known_from end),
       true_to = coalesce(true_to, case when superseded_by is not null then known_to end)
 where true_from is not null or supersedes is not null or (superseded_by is not null and true_to is null);
alter table learning force row level security;

create index learning_challenge on learning (space, store, subject, slot) where status = 'challenge' and known_to is null;

-- Words kept beside older ones belong to the batch that brought them, and are withdrawn when it is undone.
alter table evidence add column batch uuid, add column withdrawn_at timestamptz;
create index evidence_batch on evidence (space, batch) where batch is not null;
create index evidence_message on evidence (space, message) where message is not null;

-- `fallen_at`: since when the source no longer holds. Whoever may see the source may see that something rests on it, so
-- that nothing goes on being certain in a space that the one who takes the ground away cannot enter.
alter table derived_from add column fallen_at timestamptz;
create index derived_from_source on derived_from (source_space, source);
drop policy visible on derived_from;
create policy visible on derived_from for select
    using (space = any ((select nullif(current_setting('learning_machine.spaces', true), '')::bigint[])::bigint[])
           or source_space = any ((select nullif(current_setting('learning_machine.spaces', true), '')::bigint[])::bigint[]));
create policy written on derived_from for insert
    with check (space = any ((select nullif(current_setting('learning_machine.spaces', true), '')::bigint[])::bigint[]));
create policy shaken on derived_from for update
    using (source_space = any ((select nullif(current_setting('learning_machine.spaces', true), '')::bigint[])::bigint[]))
    with check (source_space = any ((select nullif(current_setting('learning_machine.spaces', true), '')::bigint[])::bigint[]));

-- In which conversation of whose a shared learning came up. It lies in the speaker's own space, so nobody else can tell.
create table root (
    space          bigint not null references space,
    learning_space bigint not null,
    learning       bigint not null,
    session        text not null,
    anchor         text not null,
    abandoned_at   timestamptz,
    primary key (space, learning_space, learning, session, anchor),
    foreign key (learning_space, learning) references learning (space, id) on delete cascade
);
create index root_session on root (space, session);
create index root_learning on root (learning_space, learning);

-- A learning that a person should look at again: kept or retired in one action. It lies where the learning does.
create table flag (
    space      bigint not null references space,
    id         bigint generated always as identity,
    learning   bigint not null,
    reason     text not null,
    flagged_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz,
    settled_by text,
    verdict    text check (verdict in ('kept', 'retired', 'withdrawn')),
    primary key (space, id),
    foreign key (space, learning) references learning (space, id) on delete cascade
);
create unique index flag_open on flag (space, learning, reason) where settled_at is null;

do $$
declare name text;
begin
    foreach name in array array['root', 'flag'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format($policy$create policy visible on %I using
            (space = any ((select nullif(current_setting('learning_machine.spaces', true), '')::bigint[])::bigint[]))$policy$, name);
    end loop;
end
$$;

-- The gate in the database, now with the one exception: what the record says is being undone, in this very transaction,
-- may be opened again.
create or replace function keep_learning() returns trigger language plpgsql as $$
begin
    if (new.space, new.id, new.store, new.kind, new.subject, new.target, new.slot, new.name, new.text, new.content_key, new.origin, new.trust,
        new.known_from, new.batch, new.found_by, new.holds_from, new.holds_to) is distinct from
       (old.space, old.id, old.store, old.kind, old.subject, old.target, old.slot, old.name, old.text, old.content_key, old.origin, old.trust,
        old.known_from, old.batch, old.found_by, old.holds_from, old.holds_to)
       or (new.value, new.session, new.turn, new.anchor, new.actor, new.agent, new.true_from, new.supersedes) is distinct from
          (old.value, old.session, old.turn, old.anchor, old.actor, old.agent, old.true_from, old.supersedes) then
        raise exception 'the content of a learning cannot be changed: write a new one in its slot';
    end if;
    if ((old.known_to is not null and (new.known_to, new.true_to) is distinct from (old.known_to, old.true_to))
        or (old.superseded_by is not null and new.superseded_by is distinct from old.superseded_by)
        or (old.status = 'undone') <> (new.status = 'undone'))
       and not exists (select from change c where c.space = new.space and c.learning = new.id and c.action = 'undo' and c.at >= now()) then
        raise exception 'a closed learning stays closed: write a new one in its slot';
    end if;
    return new;
end
$$;

-- What rests on a learning, near and far, is uncertain as long as something under it has fallen. Works through spaces that
-- the one who asks cannot see: it reads and marks, and returns nothing.
create function settle_dependents(from_space bigint, from_id bigint) returns void language plpgsql as $$
declare
    own   text := current_setting('learning_machine.spaces', true);
    seen  bigint[];
    wider bigint[];
begin
    loop
        with recursive down as (
            select d.space, d.learning from derived_from d where d.source_space = from_space and d.source = from_id
            union
            select d.space, d.learning from down join derived_from d on d.source_space = down.space and d.source = down.learning
        )
        select array_agg(distinct reached.space order by reached.space) into wider
        from (select down.space from down
              union select d.source_space from down join derived_from d on d.space = down.space and d.learning = down.learning
              union select unnest(nullif(own, '')::bigint[])) as reached;
        exit when wider is null or wider = seen;
        seen := wider;
        perform set_config('learning_machine.spaces', wider::text, true);
    end loop;
    with recursive down as (
        select d.space, d.learning from derived_from d where d.source_space = from_space and d.source = from_id
        union
        select d.space, d.learning from down join derived_from d on d.source_space = down.space and d.source = down.learning
    ), shaken as (
        select down.space, down.learning from down
        where exists (
            select from derived_from d left join learning s on s.space = d.source_space and s.id = d.source
            where d.space = down.space and d.learning = down.learning
              and (d.fallen_at is not null
                   or (s.stale_at is not null and not exists (
                       select from down inside where inside.space = d.source_space and inside.learning = d.source))))
        union
        select d.space, d.learning from shaken join derived_from d on d.source_space = shaken.space and d.source = shaken.learning
    )
    update learning l
       set stale_at = case when exists (select from shaken s where s.space = l.space and s.learning = l.id) then clock_timestamp() end
      from down
     where l.space = down.space and l.id = down.learning
       and (l.stale_at is not null) <> exists (select from shaken s where s.space = l.space and s.learning = l.id);
    perform set_config('learning_machine.spaces', coalesce(own, ''), true);
end
$$;

-- What was taken back of all that a learning rests on, near and far: who derived something from it must not go on telling it.
create function taken_back(own_space bigint, own_id bigint) returns text[] language sql stable as $$
    with recursive up as (
        select d.source_space as space, d.source as id from derived_from d where d.space = own_space and d.learning = own_id
        union
        select d.source_space, d.source from up join derived_from d on d.space = up.space and d.learning = up.id
    )
    select array_agg(l.text) from up join learning l on l.space = up.space and l.id = up.id
    left join learning r on r.space = l.space and r.id = l.superseded_by
    where r.status = 'retired' or l.status = 'undone'
$$;

-- The messages that said what has been taken back since, and not been learned again: a turn that holds one of them is not
-- recalled either.
create index learning_retired on learning (space) where status = 'retired' and known_to is null;
create function messages_taken_back() returns text[] language sql stable as $$
    with retired as (
        select space, id from learning where status = 'retired' and known_to is null
    ), fallen as (
        select space, id from retired
        union all
        select l.space, l.id from retired r join learning l on l.space + 0 = r.space and l.superseded_by = r.id
    )
    select coalesce(array_agg(distinct e.message), '{}') from fallen f
    join evidence e on e.learning_space = f.space and e.learning = f.id
    where e.message is not null and e.withdrawn_at is null
$$;

-- Does a learning still carry what rests on it? An archived one does: it is out of sight, not untrue.
create function carries(row_ learning) returns boolean language sql stable as $$
    select (row_.status = 'active' and row_.known_to is null) or row_.status in ('archived', 'past')
$$;

-- In the same transaction in which ground falls, or is given back, what rests on it is marked.
create function shake() returns trigger language plpgsql as $$
declare
    own      text := current_setting('learning_machine.spaces', true);
    row_     learning;
    restated bigint;
    fell     timestamptz;
begin
    if tg_op = 'DELETE' then
        row_ := old;
    else
        row_ := new;
        if carries(old) = carries(new) then return null; end if;
    end if;
    if tg_op = 'UPDATE' and not carries(new) and new.superseded_by is not null then
        -- The same content by a better source: what rested on the old row rests on the new one.
        select n.id into restated from learning n
        where n.space = new.space and n.id = new.superseded_by and n.content_key = new.content_key and n.status = 'active';
        if restated is not null then
            perform set_config('learning_machine.spaces', (
                select array_agg(distinct reached.space)::text from (
                    select d.space from derived_from d where d.source_space = new.space and d.source = new.id
                    union select unnest(nullif(own, '')::bigint[])) as reached (space)), true);
            insert into derived_from (space, learning, source_space, source)
            select d.space, d.learning, d.source_space, restated from derived_from d
            where d.source_space = new.space and d.source = new.id on conflict do nothing;
            perform set_config('learning_machine.spaces', coalesce(own, ''), true);
            return null;
        end if;
    end if;
    if not exists (select from derived_from d where d.source_space = row_.space and d.source = row_.id) then return null; end if;
    fell := case when tg_op = 'DELETE' or not carries(new) then clock_timestamp() end;
    update derived_from d set fallen_at = fell
    where d.source_space = row_.space
      and (d.source = row_.id
           or (fell is null and d.source in (select n.id from learning n
                                             where n.space = row_.space and n.supersedes = row_.id and n.status = 'undone'
                                               and n.content_key = row_.content_key)));
    perform settle_dependents(row_.space, row_.id);
    return null;
end
$$;
create trigger shake after update of status, known_to on learning for each row execute function shake();
create trigger shake_gone after delete on learning for each row execute function shake();

-- A conversation went another way, or came back: what it taught others is flagged for review, or no longer.
create function flag_roots(speaker bigint, thread text, line text[]) returns void language plpgsql as $$
declare
    own   text := current_setting('learning_machine.spaces', true);
    wider bigint[];
begin
    update root set abandoned_at = case when anchor = any (line) then null else coalesce(abandoned_at, clock_timestamp()) end
    where space = speaker and session = thread and (anchor = any (line)) = (abandoned_at is not null);
    if not found then return; end if;
    select array_agg(distinct reached.space) into wider
    from (select r.learning_space from root r where r.space = speaker and r.session = thread
          union select unnest(nullif(own, '')::bigint[])) as reached (space);
    perform set_config('learning_machine.spaces', wider::text, true);
    insert into flag (space, learning, reason)
    select distinct l.space, l.id, 'left behind' from root r join learning l on l.space = r.learning_space and l.id = r.learning
    where r.space = speaker and r.session = thread and r.abandoned_at is not null and l.known_to is null and l.status = 'active'
      and not exists (select from root o where o.space = speaker and o.learning_space = r.learning_space and o.learning = r.learning
                      and o.abandoned_at is null)
    on conflict do nothing;
    update flag f set settled_at = clock_timestamp(), verdict = 'withdrawn'
    where f.settled_at is null and f.reason = 'left behind'
      and exists (select from root r where r.space = speaker and r.learning_space = f.space and r.learning = f.learning
                  and r.session = thread and r.abandoned_at is null);
    perform set_config('learning_machine.spaces', coalesce(own, ''), true);
end
$$;
