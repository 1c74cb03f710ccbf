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
-- a period, and what it is connected to, one hop, from both ends. Of each slot the newest row that counts where the
-- conversation stands; of each kind the newest, and how many there are. `+ 0`: see `search.learnings`.
with hits as (
    select h.space, h.slot, bool_or(p.lexeme not like '~%%') as exact, max(length(p.lexeme)) as length
    from posting p join learning h on h.space + 0 = p.space and h.id = p.item
    where p.source = 'name' and p.lexeme = any (%(keys)s::text[]) and h.store = %(store)s and h.kind = 'entity' and h.known_to is null
    group by h.space, h.slot
), named as (
    select l.space, l.slot, l.id, l.name, l.value, h.exact, h.length
    from hits h cross join lateral (
        select * from learning l
        where l.space + 0 = h.space and l.store = %(store)s and l.subject = '' and l.slot = h.slot and l.status in ('active', 'retired', 'archived')
          and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
        order by l.id desc limit 1) l
    where l.status = 'active'
    order by h.length desc, h.exact desc, l.id desc limit %(entities)s
), standing as (
    select distinct on (l.space, l.subject, l.slot) l.*
    from named n join learning l on l.space + 0 = n.space and l.store = %(store)s and l.subject = n.slot
    where l.status in ('active', 'retired', 'archived')
      and (l.true_from is null or l.true_from <= statement_timestamp() or left(l.slot, 1) = '=' or l.kind = 'event')
      and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
    order by l.space, l.subject, l.slot, l.id desc
), about as (
    select l.*, row_number() over (partition by l.space, l.subject, l.kind order by coalesce(l.true_from, l.known_from) desc, l.id desc) as place,
           count(*) over (partition by l.space, l.subject, l.kind) as total
    from standing l
    where (l.status = 'active' and (l.holds_to is null or l.holds_to > statement_timestamp()) or l.kind = 'property')
      and l.kind <> 'relationship' and l.status <> 'archived' and (l.expires_at is null or l.expires_at > clock_timestamp())
      and (l.kind <> 'event' or ((%(since)s::timestamptz is null or coalesce(l.true_from, l.known_from) >= %(since)s)
                             and (%(until)s::timestamptz is null or coalesce(l.true_from, l.known_from) < %(until)s)))
), connected as (
    select l.*, row_number() over (partition by n.space, n.slot order by l.id desc) as place,
           count(*) over (partition by n.space, n.slot) as total
    from named n cross join lateral (
        select * from learning where space + 0 = n.space and store = %(store)s and subject = n.slot and known_to is null
        union all
        select * from learning
        where space + 0 = n.space and store = %(store)s and target = n.slot and target <> '' and subject <> n.slot and known_to is null) l
    where l.status = 'active' and (l.holds_to is null or l.holds_to > statement_timestamp())
      and l.kind = 'relationship' and (l.expires_at is null or l.expires_at > clock_timestamp())
      and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
)
select n.id, n.space, 'entity' as kind, n.name, '' as subject, '' as target, n.slot, n.value, n.name as text, '' as origin,
       null::timestamptz as known_from, null::timestamptz as true_from, %(store)s as store, 1::bigint as total,
       null as about, null as towards, false as stale, null::text[] as taken_back, 'active' as status, null::jsonb as challenges, n.exact, n.length, case s.kind when 'group' then s.grp else s.kind end as namespace
from named n join space s on s.id = n.space
union all
select l.id, l.space, l.kind, l.name, l.subject, l.target, l.slot, l.value, l.text, l.origin, l.known_from, l.true_from, l.store,
       l.total, n.name, null, l.stale_at is not null, case when l.stale_at is not null then taken_back(l.space, l.id) end,
       case when l.status = 'active' and (l.holds_to is null or l.holds_to > statement_timestamp()) then 'active' else 'retired' end,
       (select jsonb_agg(jsonb_build_object('id', h.id, 'text', h.text, 'origin', h.origin, 'known_from', h.known_from) order by h.id desc)
        from learning h where h.space + 0 = l.space and h.store = l.store and h.subject = l.subject and h.slot = l.slot
          and h.status = 'challenge' and h.known_to is null
          and exists (select from space o where o.id = h.space and o.kind in ('user', 'session'))), null, null, null
from about l join named n on n.space = l.space and n.slot = l.subject where l.place <= %(each)s
union all
select c.id, c.space, c.kind, c.name, c.subject, c.target, c.slot, c.value, c.text, c.origin, c.known_from, c.true_from, c.store,
       max(c.total), s.name, t.name, bool_or(c.stale_at is not null), null, 'active', null, null, null, null
from connected c
left join learning s on s.space + 0 = c.space and s.store = %(store)s and s.subject = '' and s.slot = c.subject and s.kind = 'entity' and s.known_to is null
left join learning t on t.space + 0 = c.space and t.store = %(store)s and t.subject = '' and t.slot = c.target and t.kind = 'entity' and t.known_to is null
where place <= %(each)s
group by c.id, c.space, c.kind, c.name, c.subject, c.target, c.slot, c.value, c.text, c.origin, c.known_from, c.true_from, c.store, s.name, t.name
order by length desc nulls last, exact desc nulls last, id;

-- name: neighbours
-- Who is connected to a thing, up to some hops, from both ends, in each space it was asked for. Each connection is
-- stored once.
with recursive reached as (
    select space, slot, 0 as hops from unnest(%(spaces)s::bigint[], %(slots)s::text[]) as start (space, slot)
    union
    select r.space, case when l.subject = r.slot then l.target else l.subject end, r.hops + 1
    from reached r join learning l on l.space + 0 = r.space and l.store = %(store)s and l.known_to is null
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
join learning s on s.space + 0 = l.space and s.store = l.store and s.subject = '' and s.slot = l.subject and s.known_to is null and s.kind = 'entity'
join learning t on t.space + 0 = l.space and t.store = l.store and t.subject = '' and t.slot = l.target and t.known_to is null and t.kind = 'entity'
where l.store = %(store)s and l.kind = 'relationship' and l.status = 'active' and l.known_to is null
  and least(a.hops, b.hops) < %(hops)s
  and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
order by hops, l.id;
