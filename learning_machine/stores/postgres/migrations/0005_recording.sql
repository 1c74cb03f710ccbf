-- Recording a turn and queueing its reading, as one statement: a reply waits for one network round trip.
-- oldest code: 5

-- The name under which a thread's jobs exclude each other. It tells nothing of who or what it is about.
create function thread_lock(machine text, space bigint, session text) returns text language sql immutable parallel safe as $$
    select left(encode(sha256(convert_to(length(machine) || ' ' || machine || ' ' || space || ' ' || session, 'UTF8')), 'hex'), 24)
$$;

-- Queue the reading of a thread, once: false when a job that will see this turn is waiting already. That job is locked first,
-- so that it cannot start before the transaction's end and miss what it wrote. With a delay, in seconds, the thread waits at
-- least that long; unless it is to `postpone`, only a new job does.
create function queue_reading(machine_ text, space_ bigint, turn_ uuid, session_ text, delay float8, postpone boolean)
returns boolean language plpgsql as $$
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

-- Queue a turn that was just recorded, to be read when the thread's window is full or its time is over.
create function queue_turn(machine_ text, space_ bigint, turn_ uuid, session_ text, delay float8, most_turns int, most_tokens int)
returns void language plpgsql as $$
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

-- Mark the turns that a new one, which follows `head`, leaves behind, and what came from them; and take back the marks of what
-- it returned to. What it taught others is theirs by now: somebody looks at it again. `line`: the messages in front of it.
create function leave_behind(machine_ text, space_ bigint, session_ text, head uuid, line text[]) returns void
language plpgsql as $$
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

-- Record a turn, and with `delay` queue its reading: where it lies and its id. Recorded again it is the same turn. No row: the
-- transaction may not write there. `ids`: the turn's id, and of each message the id that it has when the first is taken.
create function record_turn(
    kind_ text, owner_ text, session_owner text, grp_ text, machine_ text, session_ text, answer_ text, ids uuid[],
    here text[], line text[], asked text[], rooted boolean, started timestamptz, speaker text, scope_ jsonb, shown_ jsonb,
    keys text[], roles text[], contents text[], said timestamptz[], keep_days int,
    queued boolean, delay float8, most_turns int, most_tokens int
) returns table (recorded_in bigint, recorded_as uuid) language plpgsql as $$
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
