-- What people look at: learnings page by page, things, what happened, and turns with what came of them. Spaces are gone
-- through one by one, so that each page is read from the newest row down, however much there is.

-- name: learnings
-- Learnings a scope may see, newest first, with the words the asker may read. `holds`: true now, where each conversation
-- stands now. `state`: holding, waiting (challenges), closed, or all. A slot that says "no longer known" is no learning.
select l.*, case s.kind when 'group' then s.grp else s.kind end as namespace,
       (select h.name from learning h
        where h.space = l.space and h.store = l.store and h.subject = '' and h.slot = l.subject and h.kind = 'entity' and l.subject <> ''
        order by h.known_to nulls first, h.id desc limit 1) as about,
       (select h.name from learning h
        where h.space = l.space and h.store = l.store and h.subject = '' and h.slot = l.target and h.kind = 'entity' and l.target <> ''
        order by h.known_to nulls first, h.id desc limit 1) as towards,
       (select array_agg(e.quote order by e.id) from evidence e
        where e.learning_space = l.space and e.learning = l.id and e.withdrawn_at is null) as quotes
from space s cross join lateral (
    select h.* from (
        select l.id, l.space, l.store, l.kind, l.name, l.subject, l.target, l.slot, l.value, l.text, l.origin, l.trust, l.status, l.known_from,
               l.known_to, l.true_from, l.true_to, l.expires_at, l.pinned, l.superseded_by, l.supersedes, l.stale_at, l.abandoned_at, l.batch,
               l.status = 'active' and l.abandoned_at is null
               and (l.expires_at is null or l.expires_at > statement_timestamp())
               and (l.holds_to is null or l.holds_to > statement_timestamp())
               and (l.true_from is null or l.true_from <= statement_timestamp() or left(l.slot, 1) = '=' or l.kind = 'event')
               and not exists (
                   select from learning x
                   where x.space = l.space and x.store = l.store and x.subject = l.subject and x.slot = l.slot and x.id > l.id
                     and x.status in ('active', 'retired') and x.abandoned_at is null
                     and (x.true_from is null or x.true_from <= statement_timestamp() or left(x.slot, 1) = '=' or x.kind = 'event')) as holds
        from learning l
        where l.space = s.id and l.status <> 'retired' and l.text <> ''
          and (%(before)s::bigint is null or l.id < %(before)s)
          and (%(ids)s::bigint[] is null or l.id = any (%(ids)s))
          and (%(store)s::text is null or l.store = %(store)s)
          and (%(kind)s::text is null and (%(ids)s::bigint[] is not null or l.kind <> 'entity') or l.kind = %(kind)s)
          and (%(subject)s::text is null or l.subject = %(subject)s)
          and (%(slot)s::text is null or l.slot = %(slot)s)
          and (%(about)s::text is null or l.subject = %(about)s or l.target = %(about)s)
          and (%(words)s::text is null or position(lower(%(words)s) in lower(l.name || ' ' || l.text)) > 0)
        order by l.id desc offset 0) h
    where case %(state)s when 'holding' then h.holds
                         when 'waiting' then h.status = 'challenge' and h.known_to is null
                         when 'closed' then not h.holds and not (h.status = 'challenge' and h.known_to is null)
                         else true end
    limit %(limit)s) l
where %(namespace)s::text is null or case s.kind when 'group' then s.grp else s.kind end = %(namespace)s
order by l.id desc limit %(limit)s;

-- name: entities
-- The things a scope knows of, by name, with how much is known of each.
select e.id, e.space, e.slot, e.store, e.name, e.value, e.known_from, case s.kind when 'group' then s.grp else s.kind end as namespace,
       (select count(*) from learning l
        where l.space = e.space and l.store = e.store and l.subject = e.slot and l.kind <> 'relationship'
          and l.known_to is null and l.status = 'active' and l.abandoned_at is null) as facts,
       (select count(*) from (
            select l.id from learning l where l.space = e.space and l.store = e.store and l.subject = e.slot and l.kind = 'relationship'
               and l.known_to is null and l.status = 'active' and l.abandoned_at is null
            union
            select l.id from learning l where l.space = e.space and l.store = e.store and l.target = e.slot and l.target <> '' and l.kind = 'relationship'
               and l.known_to is null and l.status = 'active' and l.abandoned_at is null) as both_ends) as connections
from space s cross join lateral (
    select l.id, l.space, l.slot, l.store, l.name, l.value, l.known_from from learning l
    where l.space = s.id and l.subject = '' and l.kind = 'entity' and l.known_to is null and l.status = 'active' and l.abandoned_at is null
      and (%(store)s::text is null or l.store = %(store)s)
      and (%(type)s::text is null or l.value ->> 'type' = %(type)s)
      and (%(words)s::text is null or position(lower(%(words)s) in lower(l.name || ' ' || l.value::text)) > 0)
      and (%(after)s::text is null or (lower(l.name), l.id) > (%(after)s, %(after_id)s))
    order by lower(l.name), l.id limit %(limit)s) e
where %(namespace)s::text is null or case s.kind when 'group' then s.grp else s.kind end = %(namespace)s
order by lower(e.name), e.id limit %(limit)s;

-- name: entity
-- One thing, by the id that stays the same, or by the handle of any row of it.
select l.id, l.space, l.slot, l.store, l.name, l.value, l.known_from, case s.kind when 'group' then s.grp else s.kind end as namespace
from learning l join space s on s.id = l.space
where l.subject = '' and l.kind = 'entity' and l.known_to is null and l.status = 'active' and l.abandoned_at is null
  and (l.slot = %(slot)s::text or (l.space, l.slot) = (select h.space, h.slot from learning h where h.id = %(id)s::bigint and h.kind = 'entity'))
limit 1;

-- name: timeline
-- What happened, newest first: of one thing or of all, in a period.
select e.*, case s.kind when 'group' then s.grp else s.kind end as namespace,
       (select h.name from learning h
        where h.space = e.space and h.store = e.store and h.subject = '' and h.slot = e.subject and h.kind = 'entity'
        order by h.known_to nulls first, h.id desc limit 1) as about
from space s cross join lateral (
    select l.id, l.space, l.store, l.subject, l.text, l.origin, l.true_from, l.known_from, coalesce(l.true_from, l.known_from) as at
    from learning l
    where l.space = s.id and l.kind = 'event' and l.known_to is null and l.status = 'active' and l.abandoned_at is null
      and (%(subject)s::text is null or l.subject = %(subject)s)
      and (l.expires_at is null or l.expires_at > statement_timestamp())
      and (%(since)s::timestamptz is null or coalesce(l.true_from, l.known_from) >= %(since)s)
      and (%(until)s::timestamptz is null or coalesce(l.true_from, l.known_from) < %(until)s)
      and (%(before)s::timestamptz is null or (coalesce(l.true_from, l.known_from), l.id) < (%(before)s, %(before_id)s))
    order by coalesce(l.true_from, l.known_from) desc, l.id desc limit %(limit)s) e
order by e.at desc, e.id desc limit %(limit)s;

-- name: neighbours
-- Who is connected to a thing, one step or two away. Each step looks from both ends, by an index each.
with recursive reached as (
    select %(slot)s::text as slot, 0 as hops
    union
    select n.slot, r.hops + 1 from reached r cross join lateral (
        select l.target as slot from learning l
        where l.space = %(space)s and l.store = %(store)s and l.subject = r.slot and l.known_to is null
          and l.kind = 'relationship' and l.status = 'active' and l.abandoned_at is null
        union
        select l.subject from learning l
        where l.space = %(space)s and l.store = %(store)s and l.target = r.slot and l.target <> '' and l.known_to is null
          and l.kind = 'relationship' and l.status = 'active' and l.abandoned_at is null) n
    where r.hops < %(hops)s
), nearest as materialized (
    select slot, min(hops) as hops from reached group by slot
), edges as materialized (
    select l.id, l.subject, l.target, l.name, n.hops + 1 as hops from nearest n join learning l
      on l.space = %(space)s and l.store = %(store)s and l.subject = n.slot and l.known_to is null
     and l.kind = 'relationship' and l.status = 'active' and l.abandoned_at is null
    where n.hops < %(hops)s
    union
    select l.id, l.subject, l.target, l.name, n.hops + 1 from nearest n join learning l
      on l.space = %(space)s and l.store = %(store)s and l.target = n.slot and l.target <> '' and l.known_to is null
     and l.kind = 'relationship' and l.status = 'active' and l.abandoned_at is null
    where n.hops < %(hops)s
), nearest_edges as (
    select id, subject, target, name, min(hops) as hops from edges group by id, subject, target, name
)
select e.id, e.subject, e.target, e.name, e.hops, s.name as subject_name, s.value as subject_value, t.name as target_name, t.value as target_value
from nearest_edges e
cross join lateral (select h.name, h.value from learning h
    where h.space = %(space)s and h.store = %(store)s and h.subject = '' and h.slot = e.subject and h.kind = 'entity' and h.known_to is null limit 1) s
cross join lateral (select h.name, h.value from learning h
    where h.space = %(space)s and h.store = %(store)s and h.subject = '' and h.slot = e.target and h.kind = 'entity' and h.known_to is null limit 1) t
order by e.hops, e.id limit %(limit)s;

-- name: turns
-- The asker's own turns, newest first, with what was said, and how far learning from them has come.
select t.id, t.seq, t.space, t.session, t.messages, t.recorded_at, t.abandoned_at is not null as abandoned, w.read_at,
       (select count(*) from job_error e where e.space = t.space and e.turn = t.id) as failures,
       (select bool_or(parked) from job_error e where e.space = t.space and e.turn = t.id) as parked,
       (select jsonb_agg(jsonb_build_object('role', m.role, 'text', left(m.content, %(longest)s), 'at', m.said_at) order by m.position, m.id)
        from message m where m.space = t.space and m.turn = t.id) as said
from turn t left join watermark w on w.space = t.space and w.turn = t.id
where t.machine = %(machine)s and (%(session)s::text is null or t.session = %(session)s) and (%(before)s::bigint is null or t.seq < %(before)s)
  and (%(turn)s::uuid is null or t.id = %(turn)s)
order by t.seq desc limit %(limit)s;

-- name: learned_from
-- What was learned from some turns: by extraction, or by tools while the agent answered.
select l.id, l.store, l.kind, l.name, l.text, l.status, l.turn, l.anchor,
       (select h.name from learning h
        where h.space = l.space and h.store = l.store and h.subject = '' and h.slot = l.subject and h.kind = 'entity' and l.subject <> ''
        order by h.known_to nulls first, h.id desc limit 1) as about
from learning l
where (l.turn = any (%(turns)s::uuid[]) or l.anchor = any (%(keys)s::text[])) and l.status not in ('retired', 'undone')
order by l.id;

-- name: proposed_from
select p.id, p.store, p.status, p.shown ->> 'text' as text, p.turn from proposal p where p.turn = any (%(turns)s::uuid[]) order by p.id;

-- name: ready
select 1 as ready;
