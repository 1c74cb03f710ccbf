-- The schema as PostgreSQL 18 sees it after all migrations: for reading alone, made by `make schema`.
-- The migrations are the truth. Who may do what is in grants.sql; the queue's tables lie in a schema of their own.

CREATE SCHEMA learning_machine;

CREATE TABLE learning_machine.learning (
    space bigint NOT NULL,
    id bigint NOT NULL,
    store text NOT NULL,
    kind text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    slot text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    target text DEFAULT ''::text NOT NULL,
    value jsonb,
    text text NOT NULL,
    found_by text,
    content_key text NOT NULL,
    origin text NOT NULL,
    trust smallint NOT NULL,
    status text NOT NULL,
    true_from timestamp with time zone,
    true_to timestamp with time zone,
    known_from timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    known_to timestamp with time zone,
    session text,
    turn uuid,
    anchor text,
    abandoned_at timestamp with time zone,
    actor text,
    agent text,
    batch uuid NOT NULL,
    supersedes bigint,
    superseded_by bigint,
    pinned boolean DEFAULT false NOT NULL,
    expires_at timestamp with time zone,
    holds_from timestamp with time zone,
    holds_to timestamp with time zone,
    stale_at timestamp with time zone,
    CONSTRAINT learning_check CHECK (((known_to IS NULL) OR (known_to >= known_from))),
    CONSTRAINT learning_status_check CHECK ((status = ANY (ARRAY['active'::text, 'retired'::text, 'challenge'::text, 'archived'::text, 'past'::text, 'undone'::text])))
);

ALTER TABLE ONLY learning_machine.learning FORCE ROW LEVEL SECURITY;

CREATE FUNCTION learning_machine.about_thing(row_ learning_machine.learning, things text[], pattern text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select row_.slot = any (things) or row_.subject = any (things) or row_.target = any (things)
        or concat_ws(chr(10), row_.name, row_.text, row_.found_by, row_.value::text) ~* pattern
$$;

CREATE FUNCTION learning_machine.carries(row_ learning_machine.learning) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select (row_.status = 'active' and row_.known_to is null) or row_.status in ('archived', 'past')
$$;

CREATE FUNCTION learning_machine.chain_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE TABLE learning_machine.change (
    space bigint NOT NULL,
    id bigint NOT NULL,
    place bigint NOT NULL,
    learning bigint,
    proposal bigint,
    action text NOT NULL,
    before jsonb,
    after jsonb,
    actor text,
    origin text NOT NULL,
    batch uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    salt bytea,
    payload bytea NOT NULL,
    digest bytea NOT NULL,
    actor_mark bytea
);

ALTER TABLE ONLY learning_machine.change FORCE ROW LEVEL SECURITY;

CREATE FUNCTION learning_machine.change_digest(previous bytea, row_ learning_machine.change) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
    select sha256(previous || row_.payload || convert_to(concat_ws('|', row_.space, row_.place, row_.action, row_.learning, row_.proposal,
        coalesce(encode(row_.actor_mark, 'hex'), row_.actor), row_.origin, row_.batch, extract(epoch from row_.at)), 'UTF8'))
$$;

CREATE FUNCTION learning_machine.erased_digest(owner text, what text, content text) RETURNS bytea
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'learning_machine', 'pg_temp'
    AS $$
            select sha256((select salt from installation) || convert_to(concat_ws(chr(31), owner, what, content), 'UTF8'))
        $$;

CREATE FUNCTION learning_machine.flag_roots(speaker bigint, thread text, line text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION learning_machine.hold_thread(thread text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'learning_machine', 'pg_temp'
    AS $$
        begin
            perform pg_advisory_xact_lock_shared(hashtext('learning machine checkpoints'), hashtext(thread) & 63);
            return (select max(erased_at) from tombstone where digest = erased_digest('', 'checkpoints', thread));
        end $$;

CREATE FUNCTION learning_machine.hold_unerased_thread(thread text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if hold_thread(thread) is not null then
        raise exception 'the thread was erased once' using errcode = 'LM001';
    end if;
end $$;

CREATE FUNCTION learning_machine.keep_learning() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION learning_machine.leave_behind(machine_ text, space_ bigint, session_ text, head uuid, line text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    whole text[];
begin
    with recursive back as (
        select id, parent, messages from turn where space = space_ and id = head
        union all
        select t.id, t.parent, t.messages from turn t join back on t.space = space_ and t.id = back.parent
    ), marked as (
        update turn set abandoned_at = case when id in (select id from back) then null else coalesce(abandoned_at, clock_timestamp()) end
        where space = space_ and session = session_ and machine = machine_
          and (id in (select id from back)) = (abandoned_at is not null)
    )
    select coalesce(array_agg(key), '{}') || line into whole from back, unnest(messages) as key;
    -- What another machine learned in a thread of this name is that machine's to mark.
    update learning
       set abandoned_at = case when anchor = any (whole) then null else coalesce(abandoned_at, clock_timestamp()) end
     where space = space_ and session = session_ and anchor is not null
       and (anchor = any (whole)) = (abandoned_at is not null)
       and not anchor = any (array(select key from turn, unnest(messages) as key
                                   where space = space_ and session = session_ and machine <> machine_));
    perform flag_roots(space_, session_, whole);
end;
$$;

CREATE FUNCTION learning_machine.looks_in_index(source text, model integer, exact_up_to integer) RETURNS boolean
    LANGUAGE sql STABLE
    AS $_$
    select case when to_regclass('embedding_nearest_' || $2) is null then false
                else (select count(*) > $3 from (select from embedding e where e.model = $2 and e.source = $1 limit $3 + 1) as vectors_seen) end
$_$;

CREATE FUNCTION learning_machine.merged_into(in_space bigint, survivor_ bigint) RETURNS SETOF bigint
    LANGUAGE sql STABLE
    AS $$
    with recursive merged as (
        select survivor_ as learning
        union
        select a.learning from merged m join archived a on a.space = in_space and a.survivor = m.learning
        join learning l on l.space = a.space and l.id = a.learning and l.status = 'archived'
    )
    select learning from merged
$$;

CREATE FUNCTION learning_machine.messages_taken_back() RETURNS text[]
    LANGUAGE sql STABLE
    AS $$
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

CREATE FUNCTION learning_machine.nearest_by_index(source text, model integer, query public.halfvec, enough integer) RETURNS TABLE(space bigint, item bigint, distance double precision)
    LANGUAGE plpgsql STABLE
    SET enable_sort TO 'off'
    SET "hnsw.iterative_scan" TO 'relaxed_order'
    SET "hnsw.ef_search" TO '200'
    SET "hnsw.max_scan_tuples" TO '200000'
    SET "hnsw.scan_mem_multiplier" TO '4'
    AS $_$
begin
    return query execute format(
        'select e.space, e.item, e.vector::halfvec(%1$s) <=> $2::halfvec(%1$s) from embedding e
         where e.model = %2$s and e.source = $1 order by e.vector::halfvec(%1$s) <=> $2::halfvec(%1$s) limit $3',
        (select dimension from embedding_model where id = model), model) using source, query, enough;
end
$_$;

CREATE FUNCTION learning_machine.on_branch(row_session text, row_anchor text, row_abandoned timestamp with time zone, session text, here text[], line text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select case
        when row_session is null then true
        when row_session is distinct from session then row_abandoned is null
        when row_anchor = any (here) then true
        when line is null then row_abandoned is null
        else row_anchor = any (line)
    end
$$;

CREATE FUNCTION learning_machine.payload_digest(salt bytea, before jsonb, after jsonb) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
    select sha256(salt || convert_to(coalesce(before::text, '') || chr(10) || coalesce(after::text, ''), 'UTF8'))
$$;

CREATE FUNCTION learning_machine.queue_reading(machine_ text, space_ bigint, turn_ uuid, session_ text, delay double precision, postpone boolean) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
declare
    held    text := thread_lock(machine_, space_, session_);
    waiting bigint;
begin
    for attempt in 1..10 loop
        select id into waiting from procrastinate_jobs where queueing_lock = held and status = 'todo' for update;
        if found then
            if delay > 0 and postpone then
                -- It waits for the sake of this turn, whose failures tell why.
                update procrastinate_jobs
                   set scheduled_at = greatest(scheduled_at, clock_timestamp() + make_interval(secs => delay)),
                       args = args || jsonb_build_object('turn', turn_)
                 where id = waiting;
            end if;
            return false;
        end if;
        begin
            perform procrastinate_defer_jobs_v1(array[row(
                'learning:' || machine_, 'learn', 0, held, held,
                jsonb_build_object('machine', machine_, 'space', space_, 'turn', turn_),
                case when delay > 0 then clock_timestamp() + make_interval(secs => delay) end
            )::procrastinate_job_to_defer_v1]);
            return true;
        exception when unique_violation then
            null;  -- another transaction's job came in between, and has been waited for
        end;
    end loop;
    raise exception 'the reading of a turn could not be queued';
end;
$$;

CREATE FUNCTION learning_machine.queue_turn(machine_ text, space_ bigint, turn_ uuid, session_ text, delay double precision, most_turns integer, most_tokens integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    wait   float8 := coalesce(delay, 0);
    turns  bigint;
    tokens bigint;
begin
    if wait > 0 then
        select count(distinct t.id), coalesce(sum(length(m.content)), 0) / 4 into turns, tokens
        from turn t left join message m on m.space = t.space and m.turn = t.id
        where t.space = space_ and t.machine = machine_ and t.session = session_
          and not exists (select from watermark w where w.space = t.space and w.turn = t.id);
        if turns >= most_turns or tokens >= most_tokens then
            update procrastinate_jobs set scheduled_at = null
            where queueing_lock = thread_lock(machine_, space_, session_) and status = 'todo' and scheduled_at is not null;
            wait := 0;
        end if;
    end if;
    perform queue_reading(machine_, space_, turn_, session_, wait, false);
end;
$$;

CREATE FUNCTION learning_machine.record_turn(kind_ text, owner_ text, session_owner text, grp_ text, machine_ text, session_ text, answer_ text, ids uuid[], here text[], line text[], asked text[], rooted boolean, started timestamp with time zone, speaker text, scope_ jsonb, shown_ jsonb, keys text[], roles text[], contents text[], said timestamp with time zone[], keep_days integer, queued boolean, delay double precision, most_turns integer, most_tokens integer) RETURNS TABLE(recorded_in bigint, recorded_as uuid)
    LANGUAGE plpgsql
    AS $$
declare
    head   uuid;
    newest turn%rowtype;
    edited turn%rowtype;
    before uuid;
    known  text[];
    fresh  int[];
begin
    insert into space (kind, owner, session, grp)
    select kind_, owner_, session_owner, grp_
    where not exists (select from space s
                      where (s.kind, s.owner, s.session, s.grp) is not distinct from (kind_, owner_, session_owner, grp_))
    on conflict do nothing;
    select s.id into recorded_in from space s
    where (s.kind, s.owner, s.session, s.grp) is not distinct from (kind_, owner_, session_owner, grp_);
    if not found then return; end if;
    perform set_config('learning_machine.spaces', coalesce(array_agg(s.id)::text, ''), true) from space s;
    recorded_as := ids[1];
    perform pg_advisory_xact_lock(hashtextextended(thread_lock(machine_, recorded_in, session_), 7));

    -- Where it belongs. It forks when it does not stand on the newest answer although that one was there when it began; when
    -- that one came meanwhile, the two ran at once and simply follow each other.
    select t.id into head from turn t
    where t.space = recorded_in and t.machine = machine_ and t.session = session_ and t.answer = any (here) and t.answer <> answer_
    order by t.seq desc limit 1;
    select * into newest from turn t
    where t.space = recorded_in and t.machine = machine_ and t.session = session_ and t.abandoned_at is null
    order by t.seq desc limit 1;
    select * into edited from turn t
    where t.space = recorded_in and t.machine = machine_ and t.session = session_ and t.abandoned_at is null
      and t.messages && asked and not t.answer = any (here) and t.answer <> answer_ and t.recorded_at < started
    order by t.seq limit 1;
    if edited.id is not null or (newest.recorded_at < started and newest.answer <> answer_
                                 and newest.id is distinct from head and (head is not null or rooted)) then
        before := case when edited.id is not null then edited.parent else head end;
        perform leave_behind(machine_, recorded_in, session_, before, here || line);
    else
        before := newest.id;
        update learning l set abandoned_at = null
        where l.space = recorded_in and l.session = session_ and l.abandoned_at is not null and l.anchor = any (line);
    end if;

    -- What the branch already has, or was erased with what was said before, is not recorded again.
    known := array(
        select distinct key from (
            select t.messages from turn t
            where t.space = recorded_in and t.machine = machine_ and t.session = session_ and t.abandoned_at is null
            order by t.seq desc limit 500) as recent, unnest(recent.messages) as key
        where key = any (keys));
    fresh := array(
        select m.at from unnest(keys) with ordinality as m (key, at)
        where m.key <> all (known) and not said_before_erasure(speaker, session_, m.key, started) order by m.at);
    if cardinality(fresh) = 0 then return next; return; end if;
    if exists (select from turn t where t.space = recorded_in and t.id = ids[1]) then
        -- The same words in the same place answer something else: without ids only the question tells them apart.
        recorded_as := ids[1 + fresh[1]];
    end if;
    insert into turn (space, id, machine, session, answer, messages, parent, scope, shown)
    values (recorded_in, recorded_as, machine_, session_, answer_,
            array(select key from unnest(array(select keys[at] from unnest(fresh) as at) || line || array[answer_])
                                  with ordinality as m (key, at) group by key order by min(m.at)),
            nullif(before, recorded_as), scope_, shown_)
    on conflict do nothing;
    insert into message (space, turn, session, key, position, role, content, said_at, expires_at)
    select recorded_in, recorded_as, session_, keys[m.at], m.position - 1, roles[m.at], contents[m.at],
           coalesce(said[m.at], clock_timestamp()), clock_timestamp() + make_interval(days => keep_days)
    from unnest(fresh) with ordinality as m (at, position)
    on conflict do nothing;
    if queued then
        perform queue_turn(machine_, recorded_in, recorded_as, session_, delay, most_turns, most_tokens);
    end if;
    return next;
end;
$$;

CREATE FUNCTION learning_machine.rows_of_space(gone bigint, removing boolean) RETURNS jsonb
    LANGUAGE plpgsql
    AS $_$
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
$_$;

CREATE FUNCTION learning_machine.said_before_erasure(speaker text, thread text, key text, began timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select exists (select from tombstone t where t.digest = erased_digest(speaker, 'message', concat_ws(chr(31), thread, key)))
        or exists (select from tombstone t
                   where t.digest in (erased_digest(speaker, 'person', ''), erased_digest(speaker, 'thread', thread))
                     and t.erased_at > began)
$$;

CREATE FUNCTION learning_machine.settle_dependents(from_space bigint, from_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION learning_machine.shake() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION learning_machine.standing_line() RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select nullif(current_setting('learning_machine.line', true), '')::text[]
$$;

CREATE FUNCTION learning_machine.taken_back(own_space bigint, own_id bigint) RETURNS text[]
    LANGUAGE sql STABLE
    AS $$
    with recursive up as (
        select d.source_space as space, d.source as id from derived_from d where d.space = own_space and d.learning = own_id
        union
        select d.source_space, d.source from up join derived_from d on d.space = up.space and d.learning = up.id
    )
    select array_agg(l.text) from up join learning l on l.space = up.space and l.id = up.id
    left join learning r on r.space = l.space and r.id = l.superseded_by
    where r.status = 'retired' or l.status = 'undone'
$$;

CREATE FUNCTION learning_machine.thread_lock(machine text, space bigint, session text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select left(encode(sha256(convert_to(length(machine) || ' ' || machine || ' ' || space || ' ' || session, 'UTF8')), 'hex'), 24)
$$;

CREATE FUNCTION learning_machine.word_scores(source text, lexemes text[], words integer[]) RETURNS TABLE(space bigint, item bigint, words double precision, covered double precision)
    LANGUAGE sql STABLE
    AS $_$
    with asked as (
        select lexeme, word, dense_rank() over (order by lexeme) as number from unnest($2, $3) as t (lexeme, word)
    ), size as (
        select count(*)::float8 as texts from (select from posting p where p.source = $1 and p.lexeme = '' limit 50000) as texts_seen
    ), hits as materialized (
        select p.space, p.item, a.number, p.weight
        from (select distinct lexeme, number from asked) a join posting p on p.source = $1 and p.lexeme = a.lexeme
    ), frequency as (
        select h.number, count(*)::float8 as df from hits h group by h.number
    ), word as (
        select a.word, coalesce(max(f.df), 0) as df from asked a left join frequency f using (number) group by a.word
    ), rarity as (
        select w.word, df < 0.2 * texts or texts < 20 or not exists (select from word, size where word > 0 and df > 0 and df < 0.2 * texts) as tells,
               case when w.word > 0 then 1 + ln(1 + (greatest(texts, 50, df) - df + 0.5) / (df + 0.5)) / ln(1 + (greatest(texts, 50) + 0.5) / 0.5)
               else 0 end as rarity
        from word w, size
    ), weighed as (
        select a.number, r.word, r.rarity, case when r.tells then ln(1 + (greatest(texts, df) - df + 0.5) / (df + 0.5)) else 0 end as idf
        from rarity r join asked a using (word) join frequency f using (number), size
    ), likely as materialized (
        select distinct h.space, h.item from hits h join weighed w using (number) where w.idf > 0
    ), parts as (
        select h.space, h.item, w.word, w.rarity, max(w.idf * h.weight) as part
        from hits h join likely using (space, item) join weighed w using (number)
        group by h.space, h.item, w.word, w.rarity
    )
    select p.space, p.item, sum(p.part), sum(p.rarity) / nullif((select sum(r.rarity) from rarity r), 0) from parts p group by p.space, p.item
$_$;

CREATE TABLE learning_machine.archived (
    space bigint NOT NULL,
    learning bigint NOT NULL,
    survivor bigint,
    reason text NOT NULL,
    batch uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.archived FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.curation (
    space bigint NOT NULL,
    id uuid NOT NULL,
    machine text NOT NULL,
    plan jsonb NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ran_at timestamp with time zone,
    report jsonb
);

ALTER TABLE ONLY learning_machine.curation FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.derived_from (
    space bigint NOT NULL,
    learning bigint NOT NULL,
    source_space bigint NOT NULL,
    source bigint NOT NULL,
    fallen_at timestamp with time zone
);

ALTER TABLE ONLY learning_machine.derived_from FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.embedding (
    space bigint NOT NULL,
    item bigint NOT NULL,
    source text NOT NULL,
    model integer NOT NULL,
    vector public.halfvec NOT NULL
);

ALTER TABLE ONLY learning_machine.embedding FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.embedding_model (
    id integer NOT NULL,
    name text NOT NULL,
    dimension integer NOT NULL,
    active boolean NOT NULL
);

ALTER TABLE learning_machine.embedding_model ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.embedding_model_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.erasure (
    id uuid NOT NULL,
    began_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    done_at timestamp with time zone,
    receipt jsonb DEFAULT '{}'::jsonb NOT NULL,
    digest bytea
);

ALTER TABLE ONLY learning_machine.erasure FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.evidence (
    space bigint NOT NULL,
    id bigint NOT NULL,
    learning_space bigint NOT NULL,
    learning bigint,
    proposal bigint,
    turn uuid,
    message text,
    quote text NOT NULL,
    said_at timestamp with time zone,
    batch uuid,
    withdrawn_at timestamp with time zone
);

ALTER TABLE ONLY learning_machine.evidence FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.evidence ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.evidence_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.flag (
    space bigint NOT NULL,
    id bigint NOT NULL,
    learning bigint NOT NULL,
    reason text NOT NULL,
    flagged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled_at timestamp with time zone,
    settled_by text,
    verdict text,
    CONSTRAINT flag_verdict_check CHECK ((verdict = ANY (ARRAY['kept'::text, 'retired'::text, 'withdrawn'::text])))
);

ALTER TABLE ONLY learning_machine.flag FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.flag ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.flag_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.imported (
    space bigint NOT NULL,
    batch uuid NOT NULL,
    source text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.imported FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.installation (
    single boolean DEFAULT true NOT NULL,
    salt bytea DEFAULT sha256((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))) NOT NULL,
    CONSTRAINT installation_single_check CHECK (single)
);

CREATE TABLE learning_machine.job_error (
    space bigint NOT NULL,
    id bigint NOT NULL,
    machine text NOT NULL,
    turn uuid NOT NULL,
    attempt integer NOT NULL,
    error text NOT NULL,
    parked boolean DEFAULT false NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.job_error FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.job_error ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.job_error_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.judged (
    space bigint NOT NULL,
    one bigint NOT NULL,
    other bigint NOT NULL,
    same boolean NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT judged_check CHECK ((one < other))
);

ALTER TABLE ONLY learning_machine.judged FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.learning ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.learning_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.message (
    space bigint NOT NULL,
    id bigint NOT NULL,
    turn uuid NOT NULL,
    session text NOT NULL,
    key text NOT NULL,
    "position" integer NOT NULL,
    role text NOT NULL,
    content text NOT NULL,
    said_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT message_role_check CHECK ((role = ANY (ARRAY['user'::text, 'assistant'::text])))
);

ALTER TABLE ONLY learning_machine.message FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.message_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.posting (
    space bigint NOT NULL,
    source text NOT NULL,
    lexeme text NOT NULL,
    item bigint NOT NULL,
    weight real NOT NULL
);

ALTER TABLE ONLY learning_machine.posting FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.proposal (
    space bigint NOT NULL,
    id bigint NOT NULL,
    speaker bigint NOT NULL,
    machine text NOT NULL,
    session text,
    turn uuid,
    scope jsonb NOT NULL,
    store text NOT NULL,
    kind text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    change jsonb NOT NULL,
    shown jsonb NOT NULL,
    content_key text NOT NULL,
    mode text NOT NULL,
    risk text NOT NULL,
    origin text NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    proposed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone,
    decided_at timestamp with time zone,
    decided_by text,
    verdict jsonb,
    learning bigint,
    CONSTRAINT proposal_mode_check CHECK ((mode = ANY (ARRAY['propose'::text, 'hitl'::text]))),
    CONSTRAINT proposal_risk_check CHECK ((risk = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text]))),
    CONSTRAINT proposal_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text, 'expired'::text])))
);

ALTER TABLE ONLY learning_machine.proposal FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.proposal ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.proposal_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.queue_version (
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE learning_machine.root (
    space bigint NOT NULL,
    learning_space bigint NOT NULL,
    learning bigint NOT NULL,
    session text NOT NULL,
    anchor text NOT NULL,
    abandoned_at timestamp with time zone
);

ALTER TABLE ONLY learning_machine.root FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.schema_version (
    version integer NOT NULL,
    name text NOT NULL,
    oldest_code integer NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE learning_machine.space (
    id bigint NOT NULL,
    kind text NOT NULL,
    owner text,
    session text,
    grp text,
    CONSTRAINT space_check CHECK (((kind <> 'user'::text) OR ((owner IS NOT NULL) AND (owner <> ''::text) AND (session IS NULL) AND (grp IS NULL)))),
    CONSTRAINT space_check1 CHECK (((kind <> 'session'::text) OR ((session IS NOT NULL) AND (session <> ''::text) AND (owner IS NULL) AND (grp IS NULL)))),
    CONSTRAINT space_check2 CHECK (((kind <> 'group'::text) OR ((grp IS NOT NULL) AND (grp <> ''::text) AND (owner IS NULL) AND (session IS NULL)))),
    CONSTRAINT space_check3 CHECK (((kind <> 'global'::text) OR ((owner IS NULL) AND (session IS NULL) AND (grp IS NULL)))),
    CONSTRAINT space_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'session'::text, 'group'::text, 'global'::text])))
);

ALTER TABLE ONLY learning_machine.space FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.space ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.space_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.spending (
    id bigint NOT NULL,
    machine text NOT NULL,
    tokens bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE learning_machine.spending ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.spending_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.strength (
    space bigint NOT NULL,
    learning bigint NOT NULL,
    since timestamp with time zone NOT NULL,
    half_life real NOT NULL,
    CONSTRAINT strength_half_life_check CHECK ((half_life > (0)::double precision))
);

ALTER TABLE ONLY learning_machine.strength FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.supporter (
    space bigint NOT NULL,
    proposal bigint NOT NULL,
    supporter bigint NOT NULL,
    said_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.supporter FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.tombstone (
    space bigint NOT NULL,
    digest bytea NOT NULL,
    erased_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.tombstone FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.turn (
    space bigint NOT NULL,
    id uuid NOT NULL,
    seq bigint NOT NULL,
    machine text NOT NULL,
    session text NOT NULL,
    answer text NOT NULL,
    messages text[] NOT NULL,
    parent uuid,
    scope jsonb NOT NULL,
    shown jsonb DEFAULT '[]'::jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    abandoned_at timestamp with time zone,
    imported uuid
);

ALTER TABLE ONLY learning_machine.turn FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.turn ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.turn_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.watermark (
    space bigint NOT NULL,
    turn uuid NOT NULL,
    batch uuid NOT NULL,
    read_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.watermark FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY learning_machine.archived
    ADD CONSTRAINT archived_pkey PRIMARY KEY (space, learning, batch);

ALTER TABLE ONLY learning_machine.change
    ADD CONSTRAINT change_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.change
    ADD CONSTRAINT change_space_place_key UNIQUE (space, place);

ALTER TABLE ONLY learning_machine.curation
    ADD CONSTRAINT curation_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.derived_from
    ADD CONSTRAINT derived_from_pkey PRIMARY KEY (space, learning, source_space, source);

ALTER TABLE ONLY learning_machine.embedding_model
    ADD CONSTRAINT embedding_model_name_key UNIQUE (name);

ALTER TABLE ONLY learning_machine.embedding_model
    ADD CONSTRAINT embedding_model_pkey PRIMARY KEY (id);

ALTER TABLE ONLY learning_machine.embedding
    ADD CONSTRAINT embedding_pkey PRIMARY KEY (space, model, source, item);

ALTER TABLE ONLY learning_machine.erasure
    ADD CONSTRAINT erasure_pkey PRIMARY KEY (id);

ALTER TABLE ONLY learning_machine.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.flag
    ADD CONSTRAINT flag_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.imported
    ADD CONSTRAINT imported_pkey PRIMARY KEY (space, batch);

ALTER TABLE ONLY learning_machine.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (single);

ALTER TABLE ONLY learning_machine.job_error
    ADD CONSTRAINT job_error_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.judged
    ADD CONSTRAINT judged_pkey PRIMARY KEY (space, one, other);

ALTER TABLE ONLY learning_machine.learning
    ADD CONSTRAINT learning_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (space, turn, key);

ALTER TABLE ONLY learning_machine.posting
    ADD CONSTRAINT posting_pkey PRIMARY KEY (space, source, lexeme, item) INCLUDE (weight);

ALTER TABLE ONLY learning_machine.proposal
    ADD CONSTRAINT proposal_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.queue_version
    ADD CONSTRAINT queue_version_pkey PRIMARY KEY (name);

ALTER TABLE ONLY learning_machine.root
    ADD CONSTRAINT root_pkey PRIMARY KEY (space, learning_space, learning, session, anchor);

ALTER TABLE ONLY learning_machine.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version);

ALTER TABLE ONLY learning_machine.space
    ADD CONSTRAINT space_kind_owner_session_grp_key UNIQUE NULLS NOT DISTINCT (kind, owner, session, grp);

ALTER TABLE ONLY learning_machine.space
    ADD CONSTRAINT space_pkey PRIMARY KEY (id);

ALTER TABLE ONLY learning_machine.spending
    ADD CONSTRAINT spending_pkey PRIMARY KEY (id);

ALTER TABLE ONLY learning_machine.strength
    ADD CONSTRAINT strength_pkey PRIMARY KEY (space, learning);

ALTER TABLE ONLY learning_machine.supporter
    ADD CONSTRAINT supporter_pkey PRIMARY KEY (space, proposal, supporter);

ALTER TABLE ONLY learning_machine.tombstone
    ADD CONSTRAINT tombstone_pkey PRIMARY KEY (space, digest);

ALTER TABLE ONLY learning_machine.turn
    ADD CONSTRAINT turn_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.watermark
    ADD CONSTRAINT watermark_pkey PRIMARY KEY (space, turn);

CREATE INDEX archived_survivor ON learning_machine.archived USING btree (space, survivor) WHERE (survivor IS NOT NULL);

CREATE INDEX change_batch ON learning_machine.change USING btree (space, batch);

CREATE INDEX change_learning ON learning_machine.change USING btree (space, learning);

CREATE INDEX curation_made ON learning_machine.curation USING btree (space, machine, made_at);

CREATE INDEX derived_from_source ON learning_machine.derived_from USING btree (source_space, source);

CREATE UNIQUE INDEX embedding_model_active ON learning_machine.embedding_model USING btree (active) WHERE active;

CREATE INDEX evidence_batch ON learning_machine.evidence USING btree (space, batch) WHERE (batch IS NOT NULL);

CREATE INDEX evidence_learning ON learning_machine.evidence USING btree (space, learning);

CREATE INDEX evidence_message ON learning_machine.evidence USING btree (space, message) WHERE (message IS NOT NULL);

CREATE INDEX evidence_proposal ON learning_machine.evidence USING btree (space, proposal) WHERE (proposal IS NOT NULL);

CREATE UNIQUE INDEX flag_open ON learning_machine.flag USING btree (space, learning, reason) WHERE (settled_at IS NULL);

CREATE INDEX job_error_turn ON learning_machine.job_error USING btree (space, turn);

CREATE INDEX judged_other ON learning_machine.judged USING btree (space, other);

CREATE INDEX learning_abandoned ON learning_machine.learning USING btree (space, store, subject) WHERE (abandoned_at IS NOT NULL);

CREATE INDEX learning_batch ON learning_machine.learning USING btree (space, batch);

CREATE INDEX learning_challenge ON learning_machine.learning USING btree (space, store, subject, slot) WHERE ((status = 'challenge'::text) AND (known_to IS NULL));

CREATE INDEX learning_id ON learning_machine.learning USING btree (id);

CREATE UNIQUE INDEX learning_open_content ON learning_machine.learning USING btree (space, store, subject, kind, content_key) WHERE ((known_to IS NULL) AND (status = 'active'::text));

CREATE UNIQUE INDEX learning_open_slot ON learning_machine.learning USING btree (space, store, subject, slot) WHERE ((known_to IS NULL) AND (status = ANY (ARRAY['active'::text, 'retired'::text])));

CREATE INDEX learning_retired ON learning_machine.learning USING btree (space) WHERE ((status = 'retired'::text) AND (known_to IS NULL));

CREATE INDEX learning_session ON learning_machine.learning USING btree (space, session) WHERE (session IS NOT NULL);

CREATE INDEX learning_slot ON learning_machine.learning USING btree (space, store, subject, slot, id);

CREATE INDEX learning_subject ON learning_machine.learning USING btree (space, store, subject, known_from) WHERE (known_to IS NULL);

CREATE INDEX learning_superseded_by ON learning_machine.learning USING btree (space, superseded_by) WHERE (superseded_by IS NOT NULL);

CREATE INDEX learning_target ON learning_machine.learning USING btree (space, store, target) WHERE ((known_to IS NULL) AND (target <> ''::text));

CREATE INDEX message_expiry ON learning_machine.message USING btree (space, expires_at) WHERE (expires_at IS NOT NULL);

CREATE UNIQUE INDEX message_id ON learning_machine.message USING btree (space, id);

CREATE INDEX message_session ON learning_machine.message USING btree (space, session, id);

CREATE INDEX posting_item ON learning_machine.posting USING btree (space, source, item);

CREATE INDEX proposal_id ON learning_machine.proposal USING btree (id);

CREATE UNIQUE INDEX proposal_open ON learning_machine.proposal USING btree (space, store, subject, kind, content_key) WHERE (status = 'pending'::text);

CREATE INDEX proposal_thread ON learning_machine.proposal USING btree (speaker, session) WHERE (status = 'pending'::text);

CREATE INDEX root_learning ON learning_machine.root USING btree (learning_space, learning);

CREATE INDEX root_session ON learning_machine.root USING btree (space, session);

CREATE INDEX spending_machine ON learning_machine.spending USING btree (machine, at);

CREATE INDEX tombstone_digest ON learning_machine.tombstone USING btree (digest);

CREATE INDEX turn_imported ON learning_machine.turn USING btree (space, imported) WHERE (imported IS NOT NULL);

CREATE INDEX turn_session ON learning_machine.turn USING btree (space, machine, session, seq);

CREATE TRIGGER chain_change BEFORE INSERT ON learning_machine.change FOR EACH ROW EXECUTE FUNCTION learning_machine.chain_change();

CREATE TRIGGER keep_learning BEFORE UPDATE ON learning_machine.learning FOR EACH ROW WHEN ((CURRENT_USER <> ((("current_schema"())::text || '_admin'::text))::name)) EXECUTE FUNCTION learning_machine.keep_learning();

CREATE TRIGGER shake AFTER UPDATE OF status, known_to ON learning_machine.learning FOR EACH ROW EXECUTE FUNCTION learning_machine.shake();

CREATE TRIGGER shake_gone AFTER DELETE ON learning_machine.learning FOR EACH ROW EXECUTE FUNCTION learning_machine.shake();

ALTER TABLE ONLY learning_machine.archived
    ADD CONSTRAINT archived_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.archived
    ADD CONSTRAINT archived_space_learning_fkey FOREIGN KEY (space, learning) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.curation
    ADD CONSTRAINT curation_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.derived_from
    ADD CONSTRAINT derived_from_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.derived_from
    ADD CONSTRAINT derived_from_space_learning_fkey FOREIGN KEY (space, learning) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.embedding
    ADD CONSTRAINT embedding_model_fkey FOREIGN KEY (model) REFERENCES learning_machine.embedding_model(id);

ALTER TABLE ONLY learning_machine.embedding
    ADD CONSTRAINT embedding_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.evidence
    ADD CONSTRAINT evidence_learning_space_learning_fkey FOREIGN KEY (learning_space, learning) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.evidence
    ADD CONSTRAINT evidence_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.flag
    ADD CONSTRAINT flag_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.flag
    ADD CONSTRAINT flag_space_learning_fkey FOREIGN KEY (space, learning) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.imported
    ADD CONSTRAINT imported_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.job_error
    ADD CONSTRAINT job_error_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.judged
    ADD CONSTRAINT judged_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.judged
    ADD CONSTRAINT judged_space_one_fkey FOREIGN KEY (space, one) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.judged
    ADD CONSTRAINT judged_space_other_fkey FOREIGN KEY (space, other) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.learning
    ADD CONSTRAINT learning_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.message
    ADD CONSTRAINT message_space_turn_fkey FOREIGN KEY (space, turn) REFERENCES learning_machine.turn(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.posting
    ADD CONSTRAINT posting_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.proposal
    ADD CONSTRAINT proposal_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.proposal
    ADD CONSTRAINT proposal_speaker_fkey FOREIGN KEY (speaker) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.root
    ADD CONSTRAINT root_learning_space_learning_fkey FOREIGN KEY (learning_space, learning) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.root
    ADD CONSTRAINT root_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.strength
    ADD CONSTRAINT strength_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.strength
    ADD CONSTRAINT strength_space_learning_fkey FOREIGN KEY (space, learning) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.supporter
    ADD CONSTRAINT supporter_space_proposal_fkey FOREIGN KEY (space, proposal) REFERENCES learning_machine.proposal(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.supporter
    ADD CONSTRAINT supporter_supporter_fkey FOREIGN KEY (supporter) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.turn
    ADD CONSTRAINT turn_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.watermark
    ADD CONSTRAINT watermark_space_turn_fkey FOREIGN KEY (space, turn) REFERENCES learning_machine.turn(space, id) ON DELETE CASCADE;

CREATE POLICY administered ON learning_machine.archived TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.change TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.curation TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.derived_from TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.embedding TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.erasure TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.evidence TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.flag TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.imported TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.job_error TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.judged TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.learning TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.message TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.posting TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.proposal TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.root TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.space TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.strength TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.supporter TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.tombstone TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.turn TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.watermark TO learning_machine_admin USING (true);

ALTER TABLE learning_machine.archived ENABLE ROW LEVEL SECURITY;

CREATE POLICY archived_only ON learning_machine.learning AS RESTRICTIVE FOR DELETE TO learning_machine_app USING ((status = 'archived'::text));

ALTER TABLE learning_machine.change ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.curation ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.derived_from ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.embedding ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.erasure ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.evidence ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.flag ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.imported ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.job_error ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.judged ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.learning ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.message ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.posting ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.proposal ENABLE ROW LEVEL SECURITY;

CREATE POLICY recognised ON learning_machine.tombstone FOR SELECT USING (true);

ALTER TABLE learning_machine.root ENABLE ROW LEVEL SECURITY;

CREATE POLICY shaken ON learning_machine.derived_from FOR UPDATE USING ((source_space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[]))) WITH CHECK ((source_space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

ALTER TABLE learning_machine.space ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.strength ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.supporter ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.tombstone ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.turn ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON learning_machine.archived USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.change USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.curation USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.derived_from FOR SELECT USING (((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])) OR (source_space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[]))));

CREATE POLICY visible ON learning_machine.embedding USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.evidence USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.flag USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.imported USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.job_error USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.judged USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.learning USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.message USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.posting USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.proposal USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.root USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.space USING (((kind = 'global'::text) OR ((kind = 'user'::text) AND (owner = ( SELECT NULLIF(current_setting('learning_machine.user_id'::text, true), ''::text) AS "nullif"))) OR ((kind = 'session'::text) AND (session = ( SELECT NULLIF(current_setting('learning_machine.session'::text, true), ''::text) AS "nullif"))) OR ((kind = 'group'::text) AND (grp = ANY (( SELECT (NULLIF(current_setting('learning_machine.groups'::text, true), ''::text))::text[] AS "nullif")::text[])))));

CREATE POLICY visible ON learning_machine.strength USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.supporter USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.tombstone USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.turn USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.watermark USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

ALTER TABLE learning_machine.watermark ENABLE ROW LEVEL SECURITY;

CREATE POLICY written ON learning_machine.derived_from FOR INSERT WITH CHECK ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));
