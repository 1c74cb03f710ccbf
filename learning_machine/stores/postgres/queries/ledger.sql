-- name: lock
-- One lock a slot, taken in sorted order as a statement of its own, so that what follows sees what others committed.
select pg_advisory_xact_lock(key) from unnest(%(keys)s::bigint[]) as key;

-- name: targets
-- The rows that handles name; one that waits for a decision lends its handle to nothing else. A slot never changes, so it
-- may be looked up before it is locked.
select space, id, store, kind, name, subject, target, slot from learning
where id = any (%(ids)s::bigint[]) and status in ('active', 'retired');

-- name: same_content
-- The open row that already says this, if any: its slot is where the change belongs.
select slot from learning
where space = %(space)s and store = %(store)s and subject = %(subject)s and kind = %(kind)s and content_key = %(content_key)s
  and known_to is null and status = 'active';

-- name: slot
-- The open row of a slot and, as long as none counts where the conversation stands, what each replaced; newest first.
with recursive rows as (
    select l.*, on_branch(session, anchor, abandoned_at, %(session)s, %(here)s::text[], (select standing_line())) as counts
    from learning l
    where space = %(space)s and store = %(store)s and subject = %(subject)s and slot = %(slot)s and known_to is null
      and status in ('active', 'retired')
    union all
    select l.*, on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
    from rows r join learning l on l.space = r.space and l.superseded_by = r.id
    where not r.counts and l.status in ('active', 'retired')
)
select id, status, content_key, trust, actor, text, value, true_from, holds_from, known_to is null as open, counts from rows order by id desc;

-- name: save
-- One change: close what it replaces, insert it, keep its evidence, and note it. `clock_timestamp()`, because the lock
-- may have been waited for and `now()` is the start of the transaction. What is not dated holds from when it was learned
-- (`from_now`), or where nothing stood before, since whenever. A past row is closed history: it opens and closes nothing.
-- A pin belongs to the place, so what takes it is pinned too.
with fresh as (
    select nextval(pg_get_serial_sequence('learning', 'id')) as id
), closed as (
    update learning
       set known_to = greatest(clock_timestamp(), known_from), superseded_by = fresh.id,
           true_to = least(true_to, coalesce(%(holds_from)s, greatest(clock_timestamp(), known_from)))
      from fresh
     where learning.space = %(space)s and learning.id = %(closes)s::bigint and known_to is null
    returning learning.id, known_to, to_jsonb(learning) as before
), saved as (
    insert into learning (space, id, store, kind, subject, target, slot, name, value, text, found_by, content_key, origin, trust, status, true_from,
                          true_to, holds_from, holds_to, known_from, session, turn, anchor, abandoned_at, actor, agent, batch, supersedes, pinned)
    overriding system value
    select %(space)s, fresh.id, %(store)s, %(kind)s, %(subject)s, %(target)s, %(slot)s, %(name)s, %(value)s, %(text)s, %(found_by)s, %(content_key)s, %(origin)s,
           %(trust)s, %(status)s, %(since)s, %(holds_to)s::timestamptz,
           coalesce(%(holds_from)s, case when %(from_now)s then coalesce((select known_to from closed), clock_timestamp()) end), %(holds_to)s,
           coalesce((select known_to from closed), clock_timestamp()), %(session)s, %(turn)s, %(anchor)s,
           %(abandoned_at)s, %(actor)s, %(agent)s, %(batch)s, %(supersedes)s, coalesce((select (before ->> 'pinned')::boolean from closed), false)
    from fresh
    returning *
), noted as (
    insert into change (space, learning, action, before, after, actor, origin, batch)
    select saved.space, saved.id, %(action)s, (select before from closed), to_jsonb(saved), %(actor)s, %(origin)s, %(batch)s from saved
), quoted as (
    insert into evidence (space, learning_space, learning, turn, message, quote, said_at, batch)
    select %(evidence_space)s, saved.space, saved.id, %(turn)s, %(message)s, %(quote)s, %(said_at)s, %(batch)s from saved
    where %(quote)s::text is not null
)
select id, known_from from saved;

-- name: support
-- The same thing said again: its words are kept beside the first ones.
insert into evidence (space, learning_space, learning, turn, message, quote, said_at, batch)
select %(evidence_space)s, %(space)s, %(id)s, %(turn)s, %(message)s, %(quote)s, %(said_at)s, %(batch)s
where not exists (
    select from evidence
    where space = %(evidence_space)s and learning_space = %(space)s and learning = %(id)s and withdrawn_at is null
      and message is not distinct from %(message)s and quote = %(quote)s);

-- name: abandoned
-- Whether the message a learning comes from has been left behind by its thread since.
select case when bool_or(abandoned_at is null) then null else max(abandoned_at) end as abandoned_at
from turn where space = %(space)s and session = %(session)s and messages @> array[%(anchor)s];

-- name: read
-- The batch's watermark. A row that is there already means that the batch was written before.
insert into watermark (space, turn, batch)
select %(space)s, turn, %(batch)s from unnest(%(turns)s::uuid[]) as turn
on conflict do nothing;

-- name: shown
-- What the agent was shown, by what it says.
select id, store, subject, slot, coalesce(found_by, text) as text from learning where id = any (%(ids)s::bigint[]);

-- name: shown_answers
-- The agent's own earlier words, where they were recalled.
select content from message where space = %(space)s and id = any (%(ids)s::bigint[]) and role = 'assistant';

-- name: challenge
-- The claim that waits here and says the same.
select id from learning
where space = %(space)s and store = %(store)s and subject = %(subject)s and slot = %(slot)s and content_key = %(content_key)s
  and status = 'challenge' and known_to is null limit 1;
