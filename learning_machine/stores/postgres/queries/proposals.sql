-- name: same
-- What was proposed before in the same words, or decided: the newest of each.
select id, status, content_key, shown ->> 'text' as text, speaker, decided_at, proposed_at from proposal
where space = %(space)s and store = %(store)s and subject = %(subject)s and kind = %(kind)s
  and status in ('pending', 'rejected')
order by (content_key = %(content_key)s) desc, id desc limit 100;

-- name: propose
insert into proposal (space, speaker, machine, session, turn, scope, store, kind, subject, change, shown, content_key, mode, risk, origin,
                      expires_at)
values (%(space)s, %(speaker)s, %(machine)s, %(session)s, %(turn)s, %(scope)s, %(store)s, %(kind)s, %(subject)s, %(change)s, %(shown)s,
        %(content_key)s, %(mode)s, %(risk)s, %(origin)s, clock_timestamp() + make_interval(days => %(days)s::int))
returning id;

-- name: support
insert into supporter (space, proposal, supporter) values (%(space)s, %(proposal)s, %(supporter)s) on conflict do nothing;

-- name: overdue
-- Where something waits whose time is over.
select distinct space from proposal where status = 'pending' and expires_at < clock_timestamp() order by space;

-- name: expire
-- What nobody decided in time, closed and on record: nobody did it, and what is kept is what they would have been shown.
with gone as (
    update proposal set status = 'expired', decided_at = clock_timestamp()
    where status = 'pending' and expires_at < clock_timestamp() and space = any (%(spaces)s::bigint[])
    returning space, id, shown, expires_at
)
insert into change (space, proposal, action, before, after, origin, batch)
select space, id, 'expired', shown, jsonb_build_object('status', 'expired', 'expires_at', expires_at), 'time', gen_random_uuid()
from gone order by space, id;

-- name: list
select p.id, p.space, p.speaker, p.store, p.kind, p.change, p.shown, p.mode, p.risk, p.status, p.session, p.turn, p.proposed_at, p.expires_at,
       p.decided_at, p.decided_by, p.learning, p.scope, case s.kind when 'group' then s.grp else s.kind end as namespace, owner.owner as speaker_id,
       (select quote from evidence e where e.space = p.speaker and e.learning_space = p.space and e.proposal = p.id
           and (owner.owner = %(viewer)s or %(viewer)s is null and owner.owner is null) order by e.id limit 1) as quote,
       1 + (select count(*) from supporter u where u.space = p.space and u.proposal = p.id and u.supporter <> p.speaker) as supporters
from proposal p
join space s on s.id = p.space
left join space owner on owner.id = p.speaker
where (%(status)s::text is null or p.status = %(status)s) and (%(store)s::text is null or p.store = %(store)s)
  and (%(risk)s::text is null or p.risk = %(risk)s) and (%(machine)s::text is null or p.machine = %(machine)s)
  and (%(ids)s::bigint[] is null or p.id = any (%(ids)s)) and (%(session)s::text is null or p.session = %(session)s)
order by p.id limit %(limit)s;

-- name: take
-- The one who gets this row decides; everybody else is told who did.
select * from proposal where space = %(space)s and id = %(id)s for update;

-- name: decide
update proposal set status = %(status)s, decided_at = clock_timestamp(), decided_by = %(by)s, verdict = %(verdict)s, learning = %(learning)s
where space = %(space)s and id = %(id)s and status = 'pending';

-- name: quote
insert into evidence (space, learning_space, proposal, turn, message, quote, said_at)
select %(speaker)s, %(space)s, %(id)s, %(turn)s, %(message)s, %(quote)s, %(said_at)s
where not exists (select from evidence where space = %(speaker)s and learning_space = %(space)s and proposal = %(id)s
                  and message is not distinct from %(message)s and quote = %(quote)s);

-- name: quoted
-- Whether these words were behind a proposal already.
select 1 as found from evidence
where space = %(speaker)s and learning_space = %(space)s and proposal = %(id)s and message is not distinct from %(message)s;

-- name: release
-- The words a proposal stood on become the words of what was approved. They stay in their speaker's space.
insert into evidence (space, learning_space, learning, turn, message, quote, said_at)
select space, learning_space, %(learning)s, turn, message, quote, said_at from evidence
where learning_space = %(space)s and proposal = %(id)s;

-- name: incumbent
-- What stands now where a change would go.
select id, text from learning
where space = %(space)s and store = %(store)s and known_to is null and status = 'active'
  and ((%(id)s::bigint is not null and (subject, slot) = (select subject, slot from learning where id = %(id)s))
       or (%(slot)s::text is not null and subject = %(subject)s and slot = %(slot)s))
limit 1;

-- name: show_again
update proposal set shown = %(shown)s where space = %(space)s and id = %(id)s and status = 'pending';

-- name: of_turn
select id, store, status, shown ->> 'text' as text from proposal where turn = %(turn)s order by id;
