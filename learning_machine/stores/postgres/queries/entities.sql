-- name: by_name
-- The things of one space that a name may mean. `exact`: found by the name as it is written.
select l.id, l.slot, l.name, l.value, bool_or(p.lexeme = %(exact)s) as exact,
       on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line())) as counts
from posting p join learning l on l.space = p.space and l.id = p.item
where p.space = %(space)s and p.source = 'name' and p.lexeme = any (%(keys)s::text[])
  and l.store = %(store)s and l.kind = 'entity' and l.status = 'active' and l.known_to is null
group by l.space, l.id;

-- name: named
-- The things a text names, in every space the scope sees, with all that is known of each: facts, properties, events in
-- a period, and what it is connected to, one hop, from both ends.
with named as (
    select l.space, l.slot, l.id, l.name, l.value, bool_or(p.lexeme not like '~%%') as exact, max(length(p.lexeme)) as length
    from posting p join learning l on l.space = p.space and l.id = p.item
    where p.source = 'name' and p.lexeme = any (%(keys)s::text[])
      and l.store = %(store)s and l.kind = 'entity' and l.status = 'active' and l.known_to is null
      and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
    group by l.space, l.slot, l.id, l.name, l.value
    order by length desc, l.id desc limit %(entities)s
), about as (
    select l.*, row_number() over (partition by l.space, l.subject, l.kind order by coalesce(l.true_from, l.known_from) desc, l.id desc) as place,
           count(*) over (partition by l.space, l.subject, l.kind) as total
    from named n join learning l on l.space = n.space and l.store = %(store)s and l.subject = n.slot and l.known_to is null
    where l.status = 'active' and l.kind <> 'relationship'
      and (l.kind <> 'event' or ((%(since)s::timestamptz is null or coalesce(l.true_from, l.known_from) >= %(since)s)
                             and (%(until)s::timestamptz is null or coalesce(l.true_from, l.known_from) < %(until)s)))
      and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
), connected as (
    select l.*, row_number() over (partition by n.space, n.slot order by l.id desc) as place,
           count(*) over (partition by n.space, n.slot) as total
    from named n join learning l on l.space = n.space and l.store = %(store)s and l.known_to is null
     and (l.subject = n.slot or l.target = n.slot)
    where l.status = 'active' and l.kind = 'relationship'
      and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
)
select n.id, n.space, 'entity' as kind, n.name, '' as subject, '' as target, n.slot, n.value, n.name as text, '' as origin,
       null::timestamptz as known_from, null::timestamptz as true_from, %(store)s as store, 1::bigint as total,
       null as about, null as towards
from named n
union all
select id, space, kind, name, subject, target, slot, value, text, origin, known_from, true_from, store, total, null, null
from about where place <= %(each)s
union all
select distinct c.id, c.space, c.kind, c.name, c.subject, c.target, c.slot, c.value, c.text, c.origin, c.known_from, c.true_from, c.store,
       c.total, s.name, t.name
from connected c
left join learning s on s.space = c.space and s.store = %(store)s and s.subject = '' and s.slot = c.subject and s.kind = 'entity' and s.known_to is null
left join learning t on t.space = c.space and t.store = %(store)s and t.subject = '' and t.slot = c.target and t.kind = 'entity' and t.known_to is null
where place <= %(each)s;

-- name: neighbours
-- Who is connected to a thing, up to two hops, from both ends. Each connection is stored once.
with recursive reached as (
    select %(space)s::bigint as space, %(slot)s::text as slot, 0 as hops
    union
    select r.space, case when l.subject = r.slot then l.target else l.subject end, r.hops + 1
    from reached r join learning l on l.space = r.space and l.store = %(store)s and l.known_to is null
     and (l.subject = r.slot or l.target = r.slot)
    where r.hops < %(hops)s and l.kind = 'relationship' and l.status = 'active'
      and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
), nearest as (
    select space, slot, min(hops) as hops from reached group by space, slot
)
select distinct l.id, l.subject, l.target, l.name, l.text, l.value, least(a.hops, b.hops) + 1 as hops,
       s.name as subject_name, t.name as target_name, s.value as subject_value, t.value as target_value
from learning l
join nearest a on a.space = l.space and a.slot = l.subject
join nearest b on b.space = l.space and b.slot = l.target
join learning s on s.space = l.space and s.store = l.store and s.subject = '' and s.slot = l.subject and s.known_to is null and s.kind = 'entity'
join learning t on t.space = l.space and t.store = l.store and t.subject = '' and t.slot = l.target and t.known_to is null and t.kind = 'entity'
where l.store = %(store)s and l.kind = 'relationship' and l.status = 'active' and l.known_to is null
  and least(a.hops, b.hops) < %(hops)s
  and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
order by hops, l.id;
