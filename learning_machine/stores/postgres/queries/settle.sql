-- name: waiting
-- What a person should look at beside proposals: claims that challenge what stands, and shared learnings whose conversation
-- went another way. One row each, with what stands there now.
select c.id, c.space, 'challenge' as what, c.store, c.kind, c.subject, c.slot, c.target, c.name, c.text, c.value, c.found_by, c.origin, c.actor,
       c.true_from, c.holds_to, c.known_from as at, i.id as stands, i.text as replaces, i.origin as stands_origin, i.known_from as stands_since,
       i.actor as stands_actor, case s.kind when 'group' then s.grp else s.kind end as namespace, s.kind as space_kind, s.owner, s.session,
       c.session as came_from, c.actor = 'space ' || c.space as by_owner,
       (select quote from evidence e join space speaker on speaker.id = e.space and speaker.owner = %(viewer)s
        where e.learning_space = c.space and e.learning = c.id and e.withdrawn_at is null order by e.id limit 1) as quote
from learning c join space s on s.id = c.space
left join learning i on i.space = c.space and i.store = c.store and i.subject = c.subject and i.slot = c.slot and i.known_to is null and i.status = 'active'
where c.status = 'challenge' and c.known_to is null and (%(id)s::bigint is null or c.id = %(id)s) and (%(store)s::text is null or c.store = %(store)s)
union all
select l.id, l.space, f.reason, l.store, l.kind, l.subject, l.slot, l.target, l.name, l.text, l.value, l.found_by, l.origin, l.actor,
       l.true_from, l.holds_to, f.flagged_at, l.id, '', l.origin, l.known_from, l.actor,
       case s.kind when 'group' then s.grp else s.kind end, s.kind, s.owner, s.session, null, false, null
from flag f join learning l on l.space = f.space and l.id = f.learning join space s on s.id = l.space
where f.settled_at is null and l.known_to is null and l.status = 'active' and (%(id)s::bigint is null or l.id = %(id)s)
  and (%(store)s::text is null or l.store = %(store)s)
order by at, id limit %(limit)s;

-- name: hold
select id from learning where space = %(space)s and id = %(id)s and status = 'challenge' and known_to is null for update;

-- name: close
-- A challenge is over: it took the place of what it challenged, or it did not. Noted, so that it can be undone.
with before as (
    select l.* from learning l where l.space = %(space)s and l.id = %(id)s and l.status = 'challenge' and l.known_to is null
), done as (
    update learning l set known_to = clock_timestamp(), superseded_by = %(by_learning)s::bigint from before b
    where l.space = b.space and l.id = b.id returning l.*
)
insert into change (space, learning, action, before, after, actor, origin, batch)
select d.space, d.id, 'settled', to_jsonb(b), to_jsonb(d), %(by)s, %(origin)s, %(batch)s from done d join before b on b.id = d.id;

-- name: words
-- The words a challenge stood on become the words of what took its place. They stay in their speaker's space.
insert into evidence (space, learning_space, learning, turn, message, quote, said_at, batch)
select space, learning_space, %(learning)s, turn, message, quote, said_at, %(batch)s from evidence
where learning_space = %(space)s and learning = %(id)s and withdrawn_at is null;

-- name: settle_flag
update flag set settled_at = clock_timestamp(), settled_by = %(by)s, verdict = %(verdict)s
where space = %(space)s and learning = %(id)s and settled_at is null;
