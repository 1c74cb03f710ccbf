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
                when c.salt is not null and c.payload <> payload_digest(c.salt, c.before, c.after) then 'its content was altered'
           end as problem
    from change c window chain as (partition by c.space order by c.place)) as checked
where problem is not null order by space, place limit 100;

-- name: strangers
-- Learnings that no row of the chain accounts for, or that say something else than it does.
select l.space, l.id from learning l
where not exists (
    select from change c
    where c.space = l.space and c.learning = l.id and c.action in ('save', 'retire', 'challenge')
      and (c.after is null or (c.after ->> 'text' = l.text and c.after ->> 'content_key' = l.content_key and c.after ->> 'slot' = l.slot)))
order by l.space, l.id limit 100;

-- name: size
select count(*) as changes, count(distinct space) as spaces from change;

-- name: of
select place, action, learning, proposal, actor, origin, at, before, after from change
where (%(learning)s::bigint is null or learning = %(learning)s) and (%(proposal)s::bigint is null or proposal = %(proposal)s)
order by space, place;
