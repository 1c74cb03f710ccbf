-- name: next_start
-- When the next thing began that is known to have held in this slot after a day: what came to light later than it happened
-- ends there. What is not dated counts only if it was learned after the words were said; a plan for later does not.
select min(began) as at from learning l
cross join lateral (select coalesce(true_from, case when coalesce(holds_from, known_from) > %(said_at)s then coalesce(holds_from, known_from) end) as began) b
where space = %(space)s and store = %(store)s and subject = %(subject)s and slot = %(slot)s
  and status in ('active', 'retired', 'past') and began > %(since)s and began <= clock_timestamp()
  and on_branch(session, anchor, abandoned_at, %(session)s, %(here)s::text[], (select standing_line()));

-- name: covering
-- What is dated and known to have held in this slot on a day: what a claim about that day contradicts.
select id, status, content_key, trust, actor, true_from, holds_from, false as open, true as counts from learning l
where space = %(space)s and store = %(store)s and subject = %(subject)s and slot = %(slot)s
  and status in ('active', 'past') and true_from <= %(at)s::timestamptz and (true_to is null or true_to > %(at)s::timestamptz)
  and on_branch(session, anchor, abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
order by true_from desc, id desc limit 1;

-- name: same_past
-- The stretch of history that says this already.
select id from learning
where space = %(space)s and store = %(store)s and subject = %(subject)s and slot = %(slot)s and content_key = %(content_key)s
  and status = 'past' and known_to is null
  and holds_from is not distinct from %(holds_from)s::timestamptz and holds_to is not distinct from %(holds_to)s::timestamptz
limit 1;

-- name: sources
-- What a learning is to be derived from.
select space, id, trust from learning where id = any (%(ids)s::bigint[]) and status in ('active', 'archived', 'past');

-- name: derive
insert into derived_from (space, learning, source_space, source, fallen_at)
select %(space)s, %(id)s, s.space, s.id, case when not carries(s) then clock_timestamp() end
from learning s where s.id = any (%(sources)s::bigint[]) and (s.space, s.id) <> (%(space)s, %(id)s)
on conflict do nothing;

-- name: rest
-- Mark what rests on these sources, where one of them does not hold.
select settle_dependents(s.space, s.id) from learning s where s.id = any (%(sources)s::bigint[]) and (not carries(s) or s.stale_at is not null);

-- name: keep_root
insert into root (space, learning_space, learning, session, anchor, abandoned_at)
values (%(space)s, %(learning_space)s, %(learning)s, %(session)s, %(anchor)s, %(abandoned_at)s) on conflict do nothing;

-- name: standing
-- What was true at a time, as it was known at a time: of each slot the value that had begun last among those that then
-- held. `subject` narrows it to one; the rest is all of a store.
with known as (
    select l.*, case when l.known_to <= %(known_at)s
                      and (n.id is null or on_branch(n.session, n.anchor, n.abandoned_at, %(session)s, %(here)s::text[], (select standing_line())))
                     then l.true_to else l.holds_to end as ends
    from learning l left join learning n on n.space = l.space and n.id = l.superseded_by and n.status <> 'undone'
    where l.store = %(store)s and (%(subject)s::text is null or l.subject = %(subject)s) and l.known_from <= %(known_at)s
      and (l.status in ('active', 'retired', 'past') or (l.status in ('undone', 'archived') and l.known_to > %(known_at)s))
      and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
      -- the same content once more, with a date or by a better source, stands for the older row
      and (n.id is null or n.content_key <> l.content_key or n.known_from > %(known_at)s
           or not on_branch(n.session, n.anchor, n.abandoned_at, %(session)s, %(here)s::text[], (select standing_line())))
), standing as (
    select distinct on (space, subject, slot) * from known
    where (holds_from is null or holds_from <= %(as_of)s) and (ends is null or ends > %(as_of)s)
      and (expires_at is null or expires_at > %(as_of)s)
    order by space, subject, slot, holds_from desc nulls last, id desc
)
select l.id, l.space, l.store, l.kind, l.name, l.subject, l.target, l.slot, l.value, l.text, l.origin, l.trust, l.known_from, l.true_from,
       l.ends as true_to, l.stale_at is not null and l.stale_at <= %(known_at)s as stale, null::text[] as taken_back, l.found_by,
       case when l.status = 'retired' or l.text = '' then 'retired' else 'active' end as status, null::jsonb as challenges,
       case s.kind when 'group' then s.grp else s.kind end as namespace, count(*) over () as total
from standing l join space s on s.id = l.space
order by l.name = '', l.trust desc, l.id desc limit %(limit)s;

-- name: lineage
-- What a learning was derived from (`up`), and what was derived from it (`down`), one step.
select 'up' as way, d.fallen_at, s.id, s.store, s.text, s.status, s.known_to, s.stale_at
from derived_from d left join learning s on s.space = d.source_space and s.id = d.source
where d.space = %(space)s and d.learning = %(id)s
union all
select 'down', d.fallen_at, l.id, l.store, l.text, l.status, l.known_to, l.stale_at
from derived_from d join learning l on l.space = d.space and l.id = d.learning
where d.source_space = %(space)s and d.source = %(id)s
order by 1, 3;

-- name: slot_history
-- All that a slot ever held, oldest first.
select id, text, status, origin, known_from, known_to, true_from, true_to from learning
where space = %(space)s and store = %(store)s and subject = %(subject)s and slot = %(slot)s and status <> 'undone'
order by coalesce(holds_from, '-infinity'), id;

-- name: verdicts
-- What people decided on the proposal a learning came from.
select p.id, p.status, p.decided_by, p.decided_at, p.verdict, p.mode, false as mine from proposal p
where p.space = %(space)s and p.learning = %(id)s order by p.id;

-- name: doings
-- Every change that touched a learning, in order, as the record has it; and whether it was the asker's own.
select c.place, c.action, c.actor, c.origin, c.batch, c.at,
       c.actor in (select 'space ' || own.id from space own where own.kind in ('user', 'session')) as mine
from change c where c.space = %(space)s and (c.learning = %(id)s or c.before ->> 'id' = %(id)s::text) order by c.place;

-- name: reasons
-- Where each of some learnings stands, for whoever asks why it was not recalled.
select l.id, l.space, l.store, l.kind, l.name, l.text, l.status, l.known_to, l.expires_at, l.true_from, l.true_to, l.superseded_by, l.slot,
       on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line())) as counts
from learning l
where (%(ids)s::bigint[] is null and l.known_to is null or l.id = any (%(ids)s::bigint[])) and l.status not in ('retired', 'undone')
order by l.id desc limit %(limit)s;

-- name: history_of
-- All that ever stood where a learning stands, newest first.
select l.id, l.store, l.kind, l.name, l.subject, l.slot, l.value, l.text, l.origin, l.status, l.known_from, l.known_to,
       l.true_from, l.true_to, l.superseded_by, l.supersedes, l.turn, l.abandoned_at, space.kind as space_kind,
       (select array_agg(quote order by e.id) from evidence e
        where e.learning_space = l.space and e.learning in (select merged_into(l.space, l.id)) and e.withdrawn_at is null) as quotes
from learning l join space on space.id = l.space
where (l.space, l.store, l.subject, l.slot) = (select o.space, o.store, o.subject, o.slot from learning o where o.id = %(id)s)
  and l.status <> 'undone'
order by l.id desc;
