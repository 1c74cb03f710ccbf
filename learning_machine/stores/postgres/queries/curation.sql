-- name: spaces
-- Every space that holds learnings of these stores: the administrator asks.
select s.id, s.kind, s.owner, s.session, s.grp from space s
where exists (select from learning l where l.space = s.id and l.store = any (%(stores)s::text[]) and l.status in ('active', 'archived'))
order by s.id;

-- name: own_spaces
-- Those that a scope sees.
select s.id, s.kind, s.owner, s.session, s.grp from space s order by s.id;

-- name: lock
-- The chain of a space: who holds it is the only writer there.
select pg_advisory_xact_lock(hashtextextended('audit ' || %(space)s::bigint, 11));

-- name: rows
-- What holds now in a space, with what speaks for each: in how many messages it was said, those of what was merged into it
-- included, and when last. `taken_back`: what it was merged into, or 0, by a run that was undone. What was left behind with its branch is nobody's to tidy: it may come back.
with recursive merged as (
    select a.learning, a.survivor from archived a join learning g on g.space = a.space and g.id = a.learning and g.status = 'archived'
    where a.space = %(space)s and a.survivor is not null
), line as (
    select learning, survivor from merged
    union
    select l.learning, m.survivor from line l join merged m on m.learning = l.survivor
), spoken as (
    select e.learning, coalesce(e.message, e.quote) as message, e.said_at from evidence e
    where e.learning_space = %(space)s and e.learning is not null and e.withdrawn_at is null
), heard as (
    select learning, count(distinct message) as voices, max(said_at) as said_at
    from (select * from spoken union all select l.survivor, s.message, s.said_at from spoken s join line l using (learning)) as all_
    group by learning
)
select l.id, l.store, l.kind, l.subject, l.slot, l.name, l.target, l.value, l.text, l.found_by, l.origin, l.trust, l.known_from, l.true_from,
       l.true_to, l.pinned, l.expires_at, l.session, coalesce(h.voices, 0) as voices, h.said_at,
       array(select coalesce(a.survivor, 0) from archived a where a.space = l.space and a.learning = l.id) as taken_back,
       (select max(a.at) from archived a where a.space = l.space and a.learning = l.id) as taken_back_at,
       array(select d.source from derived_from d where d.space = l.space and d.learning = l.id and d.source_space = l.space) as sources,
       (select about.name from learning about where about.space = l.space and about.store = l.store and about.subject = ''
           and about.slot = l.subject and about.kind = 'entity' and about.known_to is null and about.status = 'active' limit 1) as about
from learning l left join heard h on h.learning = l.id
where l.space = %(space)s and l.store = any (%(stores)s::text[]) and l.status = 'active' and l.known_to is null and l.abandoned_at is null
  and (%(ids)s::bigint[] is null or l.id = any (%(ids)s::bigint[]))
order by l.id;

-- name: vectors
select item, vector::text as vector from embedding
where space = %(space)s and model = %(model)s and source = any (%(stores)s::text[]) and item = any (%(ids)s::bigint[]);

-- name: uses
-- How often each learning was shown to a model, by handle, and when last: recall itself counts nothing.
select handle, count(*) as uses, max(t.recorded_at) as used_at
from turn t, jsonb_array_elements_text(t.shown) as handle
where t.space = %(space)s and t.shown <> '[]' and handle = any (%(handles)s::text[])
group by handle;

-- name: support
-- The same of shared learnings, whose use and words lie in other spaces: the administrator counts, and reads nothing.
select handle, coalesce(max(uses), 0) as uses, max(used_at) as used_at, coalesce(max(voices), 0) as voices, max(said_at) as said_at from (
    select h.handle, count(*) as uses, max(t.recorded_at) as used_at, null::bigint as voices, null::timestamptz as said_at
    from turn t, jsonb_array_elements_text(t.shown) as h (handle)
    where t.shown <> '[]' and h.handle = any (%(handles)s::text[]) group by h.handle
    union all
    select n.handle, null, null, count(distinct coalesce(e.message, e.quote)), max(e.said_at)
    from unnest(%(ids)s::bigint[], %(handles)s::text[]) as n (id, handle)
    join evidence e on e.learning_space = %(space)s and e.learning = n.id and e.withdrawn_at is null group by n.handle) as counted
group by handle;

-- name: stale
-- What was archived so long ago that its grace is over. What others were derived from stays, so does what
-- took the place of something older, which must not stand there again; and where the words of others cannot be moved, what was merged.
select l.id, l.store, l.text, a.survivor, a.at from learning l
join lateral (select survivor, at from archived a where a.space = l.space and a.learning = l.id order by a.at desc limit 1) a on true
where l.space = %(space)s and l.status = 'archived' and l.store = any (%(stores)s::text[]) and not l.pinned
  and a.at < %(before)s and (%(ids)s::bigint[] is null or l.id = any (%(ids)s::bigint[]))
  and (a.survivor is null or %(own)s)
  and not exists (select from derived_from d where d.source_space = l.space and d.source = l.id)
  and not exists (select from learning o where o.space = l.space and o.store = l.store and o.subject = l.subject and o.slot = l.slot and o.id < l.id)
order by l.id;

-- name: judged
select one, other, same from judged where space = %(space)s;

-- name: judge
insert into judged (space, one, other, same)
select %(space)s, %(one)s, %(other)s, %(same)s
where (select count(*) from learning where space = %(space)s and id in (%(one)s, %(other)s)) = 2
on conflict do nothing;

-- name: strengthen
-- The strengths of a space, as they are now; what has none any more does not fade.
with now_ as (
    select * from unnest(%(ids)s::bigint[], %(since)s::timestamptz[], %(half_lives)s::real[]) as t (learning, since, half_life)
), gone as (
    delete from strength s where s.space = %(space)s and not exists (select from now_ n where n.learning = s.learning)
)
insert into strength (space, learning, since, half_life)
select %(space)s, n.learning, n.since, n.half_life from now_ n
where exists (select from learning l where l.space = %(space)s and l.id = n.learning)
on conflict (space, learning) do update set since = excluded.since, half_life = excluded.half_life
where (strength.since, strength.half_life) is distinct from (excluded.since, excluded.half_life);

-- name: archive
-- Out of recall, and nothing else: what search finds it by stays, so that taking it back leaves nothing to be made anew.
with before as (
    select l.* from learning l where l.space = %(space)s and l.id = %(id)s and l.status = 'active' and l.known_to is null for update
), done as (
    update learning l set status = 'archived', known_to = greatest(clock_timestamp(), l.known_from) from before b
    where l.space = b.space and l.id = b.id returning l.*
), noted as (
    insert into change (space, learning, action, before, after, actor, origin, batch)
    select d.space, d.id, 'archive', to_jsonb(b), to_jsonb(d), %(actor)s, 'curation', %(batch)s from done d join before b on b.id = d.id
)
insert into archived (space, learning, survivor, reason, batch)
select space, id, %(survivor)s, %(reason)s, %(batch)s from done;

-- name: inherit
-- The words of what was merged become the words of what stands for it, before it goes for good.
insert into evidence (space, learning_space, learning, turn, message, quote, said_at, batch)
select e.space, e.learning_space, %(survivor)s, e.turn, e.message, e.quote, e.said_at, e.batch from evidence e
where e.learning_space = %(space)s and e.learning = %(id)s and e.withdrawn_at is null
  and exists (select from learning s where s.space = %(space)s and s.id = %(survivor)s)
  and not exists (
      select from evidence o where o.space = e.space and o.learning_space = e.learning_space and o.learning = %(survivor)s
        and o.message is not distinct from e.message and o.quote = e.quote);

-- name: delete
-- For good. The record of changes keeps that it was there.
with gone as (
    delete from learning l where l.space = %(space)s and l.id = %(id)s and l.status = 'archived' returning l.*
), words as (
    delete from posting p using gone where p.space = gone.space and p.source = gone.store and p.item = gone.id
), vectors as (
    delete from embedding e using gone where e.space = gone.space and e.source = gone.store and e.item = gone.id
)
insert into change (space, learning, action, before, after, actor, origin, batch)
select space, id, 'delete', to_jsonb(gone), null, %(actor)s, 'curation', %(batch)s from gone;

-- name: plan
-- Of a space that was erased meanwhile there is none.
insert into curation (space, id, machine, plan) select s.id, %(id)s, %(machine)s, %(plan)s from space s where s.id = %(space)s;

-- name: planned
-- The plan, kept from another run of it until we commit.
select plan, report, ran_at, made_at from curation where space = %(space)s and id = %(id)s for update;

-- name: finish
update curation set report = %(report)s, ran_at = clock_timestamp(), plan = %(plan)s
where space = %(space)s and id = %(id)s and ran_at is null;

-- name: places_of
-- The spaces a run was planned for: the administrator asks.
select s.id, s.kind, s.owner, s.session, s.grp from curation c join space s on s.id = c.space where c.id = %(id)s order by s.id;

-- name: reports
select c.id, min(c.made_at) as made_at, max(c.ran_at) as ran_at, jsonb_agg(c.report order by c.space) filter (where c.report is not null) as reports,
       count(*) as spaces
from curation c where c.machine = %(machine)s group by c.id order by min(c.made_at) desc limit %(limit)s;

-- name: texts
-- What steps are about, for people who may see it.
select id, store, kind, name, text, status from learning where space = %(space)s and id = any (%(ids)s::bigint[]);

-- name: pinnable
-- A learning that holds, for whoever wants it kept: where it lies, and whether it is theirs.
select l.id, l.space, l.store, l.text, l.pinned, l.actor, case s.kind when 'group' then s.grp else s.kind end as namespace,
       l.actor in (select 'space ' || own.id from space own where own.kind in ('user', 'session')) as mine
from learning l join space s on s.id = l.space
where l.id = %(id)s and l.status = 'active' and l.known_to is null;

-- name: pin
with before as (
    select l.* from learning l
    where l.space = %(space)s and l.id = %(id)s and l.status = 'active' and l.known_to is null and l.pinned <> %(pinned)s for update
), done as (
    update learning l set pinned = %(pinned)s from before b where l.space = b.space and l.id = b.id returning l.*
)
insert into change (space, learning, action, before, after, actor, origin, batch)
select d.space, d.id, case when %(pinned)s then 'pin' else 'unpin' end, to_jsonb(b), to_jsonb(d), %(by)s, %(origin)s, %(batch)s
from done d join before b on b.id = d.id;
