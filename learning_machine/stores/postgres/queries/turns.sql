-- name: lock
select pg_advisory_xact_lock(hashtextextended(%(key)s, 7));

-- name: position
-- Where a new turn belongs. It forks when it does not stand on the newest answer although that one was there when it
-- began; when that one came meanwhile, the two ran at once and simply follow each other.
with mine as (
    select id, seq, parent, answer, messages, recorded_at, abandoned_at from turn
    where space = %(space)s and machine = %(machine)s and session = %(session)s
), head as (
    select * from mine where answer = any (%(here)s::text[]) and answer <> %(answer)s order by seq desc limit 1
), newest as (
    select * from mine where abandoned_at is null order by seq desc limit 1
), replaced as (
    select * from mine
    where abandoned_at is null and messages && %(asked)s::text[] and not answer = any (%(here)s::text[]) and answer <> %(answer)s
      and recorded_at < %(started)s::timestamptz
    order by seq limit 1
)
select case when exists (select from replaced) then (select parent from replaced) else (select id from head) end as head,
       (select id from newest) as newest,
       exists (select from replaced)
       or exists (select from newest n
                  where n.recorded_at < %(started)s::timestamptz and n.answer <> %(answer)s
                    and n.id is distinct from (select id from head)
                    and (exists (select from head) or %(rooted)s)) as forks;

-- name: leave_behind
-- Mark what the new branch left behind, and take back the marks of what it returned to. One row: the branch's messages.
with recursive line as (
    select id, parent, messages from turn where space = %(space)s and id = %(head)s
    union all
    select t.id, t.parent, t.messages from turn t join line on t.space = %(space)s and t.id = line.parent
), marked as (
    update turn set abandoned_at = case when id in (select id from line) then null else coalesce(abandoned_at, clock_timestamp()) end
    where space = %(space)s and session = %(session)s and machine = %(machine)s
      and (id in (select id from line)) = (abandoned_at is not null)
)
select coalesce(array_agg(key), '{}') as line from line, unnest(messages) as key;

-- name: mark_learnings
-- The same for what was learned. What another machine learned in a thread of this name is that machine's to mark.
update learning
   set abandoned_at = case when anchor = any (%(line)s::text[]) then null else coalesce(abandoned_at, clock_timestamp()) end
 where space = %(space)s and session = %(session)s and anchor is not null
   and (anchor = any (%(line)s::text[])) = (abandoned_at is not null)
   and not anchor = any (array(select key from turn, unnest(messages) as key
                               where space = %(space)s and session = %(session)s and machine <> %(machine)s));

-- name: unmark_learnings
update learning set abandoned_at = null
 where space = %(space)s and session = %(session)s and abandoned_at is not null and anchor = any (%(line)s::text[]);

-- name: recorded
-- Which of these messages the branch already has, or were erased with what was said before.
select distinct key from (
    select messages from turn
    where space = %(space)s and machine = %(machine)s and session = %(session)s and abandoned_at is null
    order by seq desc limit 500) as recent, unnest(recent.messages) as key
where key = any (%(keys)s::text[])
union
select key from unnest(%(keys)s::text[]) as key where said_before_erasure(%(speaker)s, %(session)s, key, %(started)s::timestamptz);

-- name: count
select count(*) as turns from turn where machine = %(machine)s and session = %(session)s;

-- name: unread_threads
select distinct on (t.space, t.session) t.space, t.id, t.session from turn t
where t.machine = %(machine)s and not exists (select from watermark w where w.space = t.space and w.turn = t.id)
  and not exists (select from job_error e where e.space = t.space and e.turn = t.id and e.parked)
order by t.space, t.session, t.seq;

-- name: insert
insert into turn (space, id, machine, session, answer, messages, parent, scope, shown)
values (%(space)s, %(id)s, %(machine)s, %(session)s, %(answer)s, %(messages)s, %(parent)s, %(scope)s, %(shown)s)
on conflict do nothing;

-- name: insert_message
insert into message (space, turn, session, key, position, role, content, said_at, expires_at)
values (%(space)s, %(turn)s, %(session)s, %(key)s, %(position)s, %(role)s, %(content)s, coalesce(%(said_at)s, clock_timestamp()),
        clock_timestamp() + make_interval(days => %(keep_days)s::int))
on conflict do nothing;

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

-- name: unread_size
-- How much of the thread of a turn waits to be read.
select count(distinct t.id) as turns, coalesce(sum(length(m.content)), 0) / 4 as tokens
from turn pointed
join turn t on t.space = pointed.space and t.machine = pointed.machine and t.session = pointed.session
left join message m on m.space = t.space and m.turn = t.id
where pointed.space = %(space)s and pointed.id = %(turn)s
  and not exists (select from watermark w where w.space = t.space and w.turn = t.id);

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
