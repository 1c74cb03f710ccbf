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
-- What holds now of one subject, where the conversation stands: the newest row of each slot. Row-level security has
-- already narrowed it to the scope.
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
), standing as (
    select distinct on (space, slot) * from candidates
    where on_branch(session, anchor, abandoned_at, %(session)s, %(here)s::text[], (select keys from line))
    order by space, slot, id desc
)
select id, space, store, kind, name, subject, target, slot, value, text, origin, trust, known_from, true_from, count(*) over () as total
from standing where status = 'active' and (expires_at is null or expires_at > clock_timestamp())
order by name = '', trust desc, id desc limit %(limit)s;

-- name: history
-- Everything a scope may see of one store, newest first, closed rows included, with the words the asker may read.
select l.id, l.store, l.kind, l.name, l.subject, l.slot, l.value, l.text, l.origin, l.status, l.known_from, l.known_to,
       l.true_from, l.true_to, l.superseded_by, l.supersedes, l.turn, l.abandoned_at, space.kind as space_kind,
       (select array_agg(quote order by e.id) from evidence e where e.learning_space = l.space and e.learning = l.id) as quotes
from learning l join space on space.id = l.space
where (%(store)s::text is null or l.store = %(store)s) and (%(subject)s::text is null or l.subject = %(subject)s)
  and (%(closed)s or l.known_to is null) and (l.status <> 'retired' or %(closed)s)
order by l.store, l.id desc limit %(limit)s;

-- name: one
select l.*, (select array_agg(quote order by e.id) from evidence e where e.learning_space = l.space and e.learning = l.id) as quotes
from learning l where l.id = %(id)s;

-- name: of_turn
-- What was learned from a turn: by extraction, or by the agent's tools while it answered.
select l.id, l.store, l.kind, l.name, l.text, l.status, l.known_from, l.known_to
from learning l
where l.status <> 'retired'
  and (l.turn = %(turn)s or l.anchor = any ((select messages from turn where turn.id = %(turn)s)::text[]))
order by l.id;
