-- name: branch
-- Where the conversation stands: null on the thread's newest branch, else the messages of the branch it stands on.
with recursive mine as (
    select id, seq, parent, answer, messages, abandoned_at from turn where machine = %(machine)s and session = %(session)s
), head as (
    select id from mine where answer = any (%(here)s::text[]) order by seq desc limit 1
), newest as (
    select id from mine where abandoned_at is null order by seq desc limit 1
), forked as (
    select exists (select from head) and not exists (select from head join newest using (id)) as inside,
           not exists (select from head) and %(rooted)s and exists (select from newest) as at_root
), line as (
    select m.id, m.parent, m.messages from mine m join head using (id) where (select inside from forked)
    union all
    select m.id, m.parent, m.messages from mine m join line on m.id = line.parent
)
select set_config('learning_machine.line',
           case when (select inside or at_root from forked)
                then (select coalesce(array_agg(key), '{}') from (
                          select messages from line
                          union all
                          -- what other machines say in a thread of this name has branches of its own
                          select messages from turn
                          where machine <> %(machine)s and session = %(session)s and abandoned_at is null
                      ) as counting, unnest(messages) as key)::text
                else '' end, true) as line,
       clock_timestamp() as now;

-- name: current
-- What holds now of one subject, where the conversation stands: the newest row of each slot. Of a slot with a name also
-- that it is no longer known (`retired`), and what challenges its value: in shared spaces only people are shown that, so that
-- nobody puts words before the agents of others unreviewed. A plan for later does not count yet: what it will
-- replace does. Row-level security has already narrowed it to the scope.
with line as materialized (
    select standing_line() as keys
), candidates as (
    select l.* from learning l
    where l.store = %(store)s and l.subject = %(subject)s and l.known_to is null and l.status in ('active', 'retired')
    union all
    -- closed by something that does not count where we stand
    select l.* from learning s join learning l on l.space = s.space and l.superseded_by = s.id
    where s.store = %(store)s and s.subject = %(subject)s and l.status in ('active', 'retired')
      and (s.abandoned_at is not null or ((select keys from line) is not null and s.session = %(session)s))
      and not on_branch(s.session, s.anchor, s.abandoned_at, %(session)s, %(here)s::text[], (select keys from line))
    union all
    select before.* from learning s cross join lateral (
        select l.* from learning l
        where l.space = s.space and l.store = s.store and l.subject = s.subject and l.slot = s.slot and l.status in ('active', 'retired')
          and l.known_to is not null and (l.holds_from is null or l.holds_from <= statement_timestamp())
          and (l.true_to is null or l.true_to > statement_timestamp())
          and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select keys from line))
        order by l.holds_from desc nulls last, l.id desc limit 1) before
    where s.store = %(store)s and s.subject = %(subject)s and s.known_to is null and s.status in ('active', 'retired')
      and s.true_from > statement_timestamp() and left(s.slot, 1) <> '=' and s.kind <> 'event'
), standing as (
    select distinct on (space, slot) * from candidates
    where on_branch(session, anchor, abandoned_at, %(session)s, %(here)s::text[], (select keys from line))
      and (true_from is null or true_from <= statement_timestamp() or left(slot, 1) = '=' or kind = 'event')
    order by space, slot, id desc
), now as (
    select *, status = 'active' and (holds_to is null or holds_to > statement_timestamp()) as holds from standing
    where expires_at is null or expires_at > statement_timestamp()
)
select id, now.space, store, kind, name, subject, target, slot, value, text, origin, trust, known_from, true_from, true_to, stale_at is not null as stale,
       case when stale_at is not null then taken_back(now.space, id) end as taken_back,
       case when holds then 'active' else 'retired' end as status, count(*) over () as total,
       case when holds then (
           select jsonb_agg(jsonb_build_object('id', c.id, 'text', c.text, 'origin', c.origin, 'known_from', c.known_from) order by c.id desc)
           from learning c where c.space = now.space and c.store = now.store and c.subject = now.subject and c.slot = now.slot
             and c.status = 'challenge' and c.known_to is null
             and exists (select from space o where o.id = c.space and o.kind in ('user', 'session'))) end as challenges,
       coalesce(power(2, -greatest(extract(epoch from statement_timestamp() - s.since)::float8, 0) / 86400 / s.half_life), 1) as strength
from now left join strength s on s.space = now.space and s.learning = now.id
where holds or (left(slot, 1) <> '=' and name <> '')
order by not holds, name = '', trust desc, strength desc, id desc limit %(limit)s;

-- name: history
-- Everything a scope may see of one store, newest first, closed rows included, with the words the asker may read.
select l.id, l.store, l.kind, l.name, l.subject, l.slot, l.value, l.text, l.origin, l.status, l.known_from, l.known_to,
       l.true_from, l.true_to, l.superseded_by, l.supersedes, l.turn, l.abandoned_at, space.kind as space_kind,
       (select array_agg(quote order by e.id) from evidence e
        where e.learning_space = l.space and e.learning in (select merged_into(l.space, l.id)) and e.withdrawn_at is null) as quotes
from learning l join space on space.id = l.space
where (%(store)s::text is null or l.store = %(store)s) and (%(subject)s::text is null or l.subject = %(subject)s)
  and (%(closed)s or (l.known_to is null and l.status <> 'past')) and (l.status <> 'retired' or %(closed)s) and l.status <> 'undone'
order by l.store, l.id desc limit %(limit)s;

-- name: one
select l.*, (select array_agg(quote order by e.id) from evidence e
        where e.learning_space = l.space and e.learning in (select merged_into(l.space, l.id)) and e.withdrawn_at is null) as quotes,
       (select kind from space where space.id = l.space) as space_kind
from learning l where l.id = %(id)s;

-- name: of_turn
-- What was learned from a turn: by extraction, or by the agent's tools while it answered.
select l.id, l.store, l.kind, l.name, l.text, l.status, l.known_from, l.known_to
from learning l
where l.status not in ('retired', 'undone')
  and (l.turn = %(turn)s or l.anchor = any ((select messages from turn where turn.id = %(turn)s)::text[]))
order by l.id;
