-- name: batch
-- What a batch changed, last first. A turn's id stands for the batch that read it.
select c.space, c.id, c.learning, c.action, c.before, c.after, c.actor, c.batch, c.at, case s.kind when 'group' then s.grp else s.kind end as namespace,
       c.actor in (select 'space ' || own.id from space own where own.kind in ('user', 'session')) as mine
from change c join space s on s.id = c.space
where c.learning is not null and c.action not in ('approved', 'rejected', 'propose', 'expired')
  and c.batch in (select %(batch)s::uuid union all select w.batch from watermark w where w.turn = %(batch)s::uuid)
order by c.id desc;

-- name: last
-- The last change that touched a learning: one of its own, or the one that replaced it. Undoing is none.
select c.space, c.id, c.learning, c.action, c.before, c.after, c.actor, c.batch, c.at, case s.kind when 'group' then s.grp else s.kind end as namespace,
       c.actor in (select 'space ' || own.id from space own where own.kind in ('user', 'session')) as mine
from change c join space s on s.id = c.space
where c.action not in ('approved', 'rejected', 'propose', 'expired', 'undo')
  and (c.learning = %(id)s or (c.learning in (select superseded_by from learning where id = %(id)s) and c.before ->> 'id' = %(id)s::text))
order by c.id desc limit 1;

-- name: touched
-- Rows as they are now, and locked. How each compares with what a change left behind: as it left it, or as it was before.
select l.*, (l.status, l.known_to, l.superseded_by, l.pinned) is not distinct from
            (%(left)s::jsonb ->> 'status', (%(left)s::jsonb ->> 'known_to')::timestamptz, (%(left)s::jsonb ->> 'superseded_by')::bigint,
             (%(left)s::jsonb ->> 'pinned')::boolean) as as_left,
       l.status = 'undone' or (l.status, l.known_to, l.superseded_by, l.pinned) is not distinct from
            (%(was)s::jsonb ->> 'status', (%(was)s::jsonb ->> 'known_to')::timestamptz, (%(was)s::jsonb ->> 'superseded_by')::bigint,
             (%(was)s::jsonb ->> 'pinned')::boolean) as as_before
from learning l where l.space = %(space)s and l.id = %(id)s for update;

-- name: restore
-- Note what is undone, then do it: only what the record names in this transaction may be opened again.
with made as (
    select l.space, l.id, to_jsonb(l) as before, to_jsonb(l) || %(to)s::jsonb as after
    from learning l where l.space = %(space)s and l.id = %(id)s
)
insert into change (space, learning, action, before, after, actor, origin, batch)
select space, id, 'undo', before, after, %(by)s, %(origin)s, %(batch)s from made;

-- name: apply
update learning
   set status = %(to)s::jsonb ->> 'status', known_to = (%(to)s::jsonb ->> 'known_to')::timestamptz,
       true_to = (%(to)s::jsonb ->> 'true_to')::timestamptz, superseded_by = (%(to)s::jsonb ->> 'superseded_by')::bigint,
       pinned = (%(to)s::jsonb ->> 'pinned')::boolean, expires_at = (%(to)s::jsonb ->> 'expires_at')::timestamptz
 where space = %(space)s and id = %(id)s;

-- name: withdraw
-- The words that a batch brought count no longer, or again.
update evidence set withdrawn_at = case when %(again)s then null else clock_timestamp() end
where batch = %(of)s and (withdrawn_at is null) <> %(again)s and (%(learning)s::bigint is null or learning = %(learning)s);

-- name: words
-- The words that a batch, or the reading of a turn, brought to what was known already: that is no change of a learning.
select e.batch, e.withdrawn_at, l.id, l.text from evidence e join learning l on l.space = e.learning_space and l.id = e.learning
where e.batch in (select %(batch)s::uuid union all select w.batch from watermark w where w.turn = %(batch)s::uuid) order by e.id;

-- name: undone
-- Who undid a learning last, and when.
select actor, at, batch from change where space = %(space)s and learning = %(id)s and action = 'undo' order by place desc limit 1;

-- name: texts
-- What search will have to find again: the texts of what a batch or a change replaced.
select distinct l.store, l.found_by from change c
join learning l on l.space = c.space and (l.id = c.learning or l.id::text = c.before ->> 'id')
where l.found_by is not null
  and (c.batch in (select %(batch)s::uuid union all select w.batch from watermark w where w.turn = %(batch)s::uuid) or c.learning = %(id)s or c.before ->> 'id' = %(id)s::text);

-- name: flag_again
-- What a reviewer retired when looking at it again, and what now holds again, waits for a look as before.
update flag f set settled_at = null, settled_by = null, verdict = null
where f.space = %(space)s and f.learning = %(id)s and f.verdict = 'retired' and f.settled_at >= %(at)s
  and not exists (select from flag o where o.space = f.space and o.learning = f.learning and o.reason = f.reason and o.settled_at is null);
