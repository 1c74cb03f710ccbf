-- name: lock
-- The chains of several spaces, locked in sorted order, so that two who write to the same ones do not wait in a circle.
select pg_advisory_xact_lock(hashtextextended('audit ' || space, 11)) from unnest(%(spaces)s::bigint[]) as space;

-- name: note
-- A step that is no learning of its own: something proposed, or decided.
insert into change (space, learning, proposal, action, before, after, actor, origin, batch)
values (%(space)s, %(learning)s, %(proposal)s, %(action)s, %(before)s, %(after)s, %(actor)s, %(origin)s, %(batch)s);

-- name: breaks
-- Where a chain does not hold: a row missing, moved or altered, or a payload that is not what was digested.
select space, place, problem from (
    select c.space, c.place,
           case when c.place <> coalesce(lag(c.place) over chain, 0) + 1 then 'a row before it is missing'
                when c.digest <> change_digest(coalesce(lag(c.digest) over chain, ''::bytea), c) then 'it was altered, or one before it'
                when c.salt is not null and c.actor_mark is not null and c.actor is not null
                     and c.actor_mark <> sha256(c.salt || convert_to(c.actor, 'UTF8')) then 'who did it was altered'
                when c.salt is not null and c.payload <> payload_digest(c.salt, c.before, c.after) then 'its content was altered'
           end as problem
    from change c window chain as (partition by c.space order by c.place)) as checked
where problem is not null order by space, place limit 100;

-- name: strangers
-- What stands in the ledger and is not what the chain says: learnings that no change accounts for, that say something else,
-- were closed or opened again behind the gate, or are gone. Where a payload was erased, what it said is not compared.
select * from (
    select l.space, l.id, 'no change accounts for what it says' as problem from learning l
    where not exists (
        select from change c
        where c.space = l.space and c.learning = l.id and c.action in ('save', 'retire', 'challenge')
          and (c.salt is null or (
              c.after @> jsonb_build_object(
                  'store', l.store, 'kind', l.kind, 'subject', l.subject, 'slot', l.slot, 'name', l.name, 'target', l.target, 'text', l.text,
                  'found_by', l.found_by, 'content_key', l.content_key, 'origin', l.origin, 'trust', l.trust, 'session', l.session,
                  'turn', l.turn, 'anchor', l.anchor, 'actor', l.actor, 'agent', l.agent, 'batch', l.batch, 'supersedes', l.supersedes)
              and c.after -> 'value' = coalesce(l.value, 'null')
              and (c.after ->> 'known_from')::timestamptz = l.known_from
              and (c.after ->> 'status' = l.status or exists (
                  select from change d where d.space = l.space and d.learning = l.id and d.place > c.place and d.action <> 'approved')))))
    union all
    select l.space, l.id, 'no change accounts for its end' from learning l
    where l.known_to is not null
      and not exists (
          select from change c
          where c.space = l.space and c.learning = l.superseded_by and (c.salt is null or c.before ->> 'id' = l.id::text))
      and not exists (
          select from change c
          where c.space = l.space and c.learning = l.id and c.action not in ('save', 'retire', 'challenge', 'approved', 'pin', 'unpin'))
    union all
    select l.space, l.id, 'it was replaced, and stands again' from change c
    join learning l on l.space = c.space and l.id::text = c.before ->> 'id'
    where c.action in ('save', 'retire') and l.known_to is null
      and not exists (select from change u where u.space = c.space and u.learning = l.id and u.action = 'undo' and u.place > c.place)
    union all
    select c.space, c.learning, 'it is gone' from change c
    where c.action in ('save', 'retire', 'challenge') and c.salt is not null
      and not exists (select from learning l where l.space = c.space and l.id = c.learning)
      and not exists (select from change d where d.space = c.space and d.learning = c.learning and d.action = 'delete' and d.place > c.place)
) as found
order by space, id limit 100;

-- name: strange_proposals
-- The same of proposals: decided without a decision on record, decided on record and not so in the queue, altered, or gone.
select * from (
    select p.space, p.id, 'no change accounts for what it says' as problem from proposal p
    where (p.shown ->> 'text', p.shown ->> 'name', p.shown ->> 'about', p.shown ->> 'towards') is distinct from
          (coalesce(p.change ->> 'text', ''), coalesce(p.change ->> 'name', ''),
           coalesce(p.change #>> '{about,name}', ''), coalesce(p.change #>> '{towards,name}', ''))
       or not exists (
           select from change c
           where c.space = p.space and c.proposal = p.id and c.action = 'propose'
             -- What it would replace may have been shown anew since.
             and (c.salt is null or c.after - '{replaces,replaces_id}'::text[] = p.shown - '{replaces,replaces_id}'::text[]))
    union all
    select p.space, p.id, 'no change accounts for its decision' from proposal p
    where p.status <> 'pending'
      and not exists (
          select from change c
          where c.space = p.space and c.proposal = p.id and c.action = p.status and c.actor is not distinct from p.decided_by
            and c.learning is not distinct from p.learning)
    union all
    select c.space, c.proposal, 'it was decided otherwise' from change c join proposal p on p.space = c.space and p.id = c.proposal
    where c.action in ('approved', 'rejected', 'expired') and c.action <> p.status
    union all
    select c.space, c.proposal, 'it is gone' from change c
    where c.action = 'propose' and c.salt is not null
      and not exists (select from proposal p where p.space = c.space and p.id = c.proposal)) as found
order by space, id limit 100;

-- name: size
select count(*) as changes, count(distinct space) as spaces from change;
