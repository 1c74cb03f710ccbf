-- name: record
-- Where a turn lies and its id, recorded and queued.
select * from record_turn(
    %(kind)s, %(owner)s, %(session_owner)s, %(grp)s, %(machine)s, %(session)s, %(answer)s, %(ids)s::uuid[], %(here)s::text[],
    %(line)s::text[], %(asked)s::text[], %(rooted)s, %(started)s::timestamptz, %(speaker)s, %(scope)s::jsonb, %(shown)s::jsonb,
    %(keys)s::text[], %(roles)s::text[], %(contents)s::text[], %(said)s::timestamptz[], %(keep_days)s::int,
    %(queued)s, %(delay)s::float8, %(most_turns)s::int, %(most_tokens)s::int);

-- name: count
select count(*) as turns from turn where machine = %(machine)s and session = %(session)s;

-- name: unread_threads
select distinct on (t.space, t.session) t.space, t.id, t.session from turn t
where t.machine = %(machine)s and not exists (select from watermark w where w.space = t.space and w.turn = t.id)
  and not exists (select from job_error e where e.space = t.space and e.turn = t.id and e.parked)
order by t.space, t.session, t.seq;

-- name: scope
select machine, session, scope from turn where space = %(space)s and id = %(turn)s;

-- name: unread
-- The turns of a thread that extraction has not read, oldest first, with what was said in them. Parked ones wait apart.
select t.id, t.parent, t.answer, t.scope, t.abandoned_at, t.shown,
       coalesce(jsonb_agg(jsonb_build_object('key', m.key, 'role', m.role, 'content', m.content, 'at', m.said_at) order by m.position)
                filter (where m.key is not null), '[]') as said
from turn t left join message m on m.space = t.space and m.turn = t.id
where t.space = %(space)s and t.machine = %(machine)s and t.session = %(session)s
  and not exists (select from watermark w where w.space = t.space and w.turn = t.id)
  and not exists (select from job_error e where e.space = t.space and e.turn = t.id and e.parked)
group by t.space, t.id
order by min(t.seq) limit %(limit)s;

-- name: next
-- The turn that holds a thread up, and how often reading it has failed.
select t.id, (select count(*) from job_error e where e.space = t.space and e.turn = t.id) as failures
from turn t
where t.space = %(space)s and t.machine = %(machine)s and t.session = %(session)s
  and not exists (select from watermark w where w.space = t.space and w.turn = t.id)
  and not exists (select from job_error e where e.space = t.space and e.turn = t.id and e.parked)
order by t.seq limit 1;

-- name: line_before
-- The keys of a branch up to a turn: what an extraction that reads on from there stands on.
with recursive line as (
    select id, parent, messages from turn where space = %(space)s and id = %(turn)s
    union all
    select t.id, t.parent, t.messages from turn t join line on t.space = %(space)s and t.id = line.parent
)
select coalesce(array_agg(key), '{}') as keys from line, unnest(messages) as key;

-- name: space_of
-- Where a turn lies, by its id alone.
select space from turn where id = %(turn)s and machine = %(machine)s order by recorded_at desc limit 1;

-- name: state
-- What became of a turn.
select t.recorded_at, w.read_at, w.batch, t.abandoned_at,
       (select count(*) from job_error e where e.space = t.space and e.turn = t.id) as failures,
       (select error from job_error e where e.space = t.space and e.turn = t.id order by id desc limit 1) as error,
       (select bool_or(parked) from job_error e where e.space = t.space and e.turn = t.id) as parked
from turn t left join watermark w on w.space = t.space and w.turn = t.id
where t.id = %(turn)s;

-- name: drop_read
-- With keep_messages="until_learned": what extraction has read is not kept.
with gone as (
    delete from message m where m.space = %(space)s
      and exists (select from watermark w where w.space = m.space and w.turn = m.turn)
    returning m.space, m.id
), words as (
    delete from posting p using gone where p.space = gone.space and p.source = 'message' and p.item = gone.id
)
delete from embedding e using gone where e.space = gone.space and e.source = 'message' and e.item = gone.id;

-- name: drop_expired
with gone as (
    delete from message where expires_at < clock_timestamp() returning space, id
), words as (
    delete from posting p using gone where p.space = gone.space and p.source = 'message' and p.item = gone.id
)
delete from embedding e using gone where e.space = gone.space and e.source = 'message' and e.item = gone.id;

-- name: add_error
-- Of a turn that was erased there is nothing to note.
insert into job_error (space, machine, turn, attempt, error, parked)
select %(space)s, %(machine)s, %(turn)s, %(attempt)s, %(error)s, %(parked)s
where exists (select from turn t where t.space = %(space)s and t.id = %(turn)s);

-- name: failing
-- Which failures hold up how many turns, in every space: the administrator asks. A turn counts by its last failure.
with last as (
    select distinct on (space, turn) error, at, bool_or(parked) over (partition by space, turn) as parked
    from job_error where machine = %(machine)s order by space, turn, id desc
)
select error, parked, count(*) as turns, min(at) as since from last group by error, parked order by parked desc, turns desc, error;

-- name: unpark
-- Forget why parked turns failed, so that they are unread again; oldest first.
with gone as (
    delete from job_error e using job_error p
    where p.machine = %(machine)s and p.parked and e.space = p.space and e.turn = p.turn
    returning e.space, e.turn
)
select t.space, t.session, t.id as turn from turn t
where (t.space, t.id) in (select space, turn from gone) order by t.seq;

-- name: clear_errors
-- Why turns could not be read, that have been read since.
delete from job_error e where e.space = %(space)s and exists (select from watermark w where w.space = e.space and w.turn = e.turn);
