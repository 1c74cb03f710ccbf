-- name: learnings
-- The best of one store for a question, by words and by meaning, where the conversation stands. What counts is decided
-- before the best are taken, row by row in their order, so that nothing that counts is crowded out. A row is found by its
-- newest words; where those were left behind with their branch, what its slot held before stands in for it. Events can be
-- narrowed to a period. `+ 0` keeps the vector search exact, whatever index there is; behind a `space` it leaves that to the
-- policy, because the planner takes both together for so narrow that it would read the whole space for each row. `offset 0`
-- and a `line` that is a column make it look up each row by index, and ask of it whether it counts without a call.
with by_words as (
    select f.space, f.item, f.words, f.covered, l.id
    from (select * from word_scores(%(source)s, %(lexemes)s, %(words)s) order by words desc, item desc offset 0) f
    cross join lateral (
        select s.id, s.kind, s.status, s.expires_at, s.holds_to, coalesce(s.true_from, s.known_from) as at
        from (select store, subject, slot, (select standing_line()) as line from learning where space = f.space and id = f.item offset 0) h
        join learning s on s.space + 0 = f.space and s.store = h.store and s.subject = h.subject and s.slot = h.slot
        where s.status in ('active', 'retired', 'archived')
          and (s.true_from is null or s.true_from <= statement_timestamp() or left(s.slot, 1) = '=' or s.kind = 'event')
          and on_branch(s.session, s.anchor, s.abandoned_at, %(session)s, %(here)s::text[], h.line)
        order by s.id desc limit 1) l
    where l.status = 'active' and (l.expires_at is null or l.expires_at > clock_timestamp())
      and (l.holds_to is null or l.holds_to > statement_timestamp())
      and (l.kind <> 'event' or ((%(since)s::timestamptz is null or l.at >= %(since)s) and (%(until)s::timestamptz is null or l.at < %(until)s)))
    order by f.words desc, f.item desc limit %(candidates)s
), by_index as (
    select looks_in_index(%(source)s, %(model)s, %(exact_up_to)s) as yes
), by_meaning as (
    select f.space, f.item, l.id
    from (select e.space, e.item, (e.vector <=> %(vector)s::halfvec) + 0 as distance from embedding e
          where e.model = %(model)s and e.source = %(source)s and not (select yes from by_index)
          union all
          select n.space, n.item, n.distance from nearest_by_index(%(source)s, %(model)s, %(vector)s::halfvec, 4 * %(candidates)s) n
          where (select yes from by_index)
          order by distance offset 0) f
    cross join lateral (
        select s.id, s.kind, s.status, s.expires_at, s.holds_to, coalesce(s.true_from, s.known_from) as at
        from (select store, subject, slot, (select standing_line()) as line from learning where space = f.space and id = f.item offset 0) h
        join learning s on s.space + 0 = f.space and s.store = h.store and s.subject = h.subject and s.slot = h.slot
        where s.status in ('active', 'retired', 'archived')
          and (s.true_from is null or s.true_from <= statement_timestamp() or left(s.slot, 1) = '=' or s.kind = 'event')
          and on_branch(s.session, s.anchor, s.abandoned_at, %(session)s, %(here)s::text[], h.line)
        order by s.id desc limit 1) l
    where %(vector)s::halfvec is not null and l.status = 'active' and (l.expires_at is null or l.expires_at > clock_timestamp())
      and (l.holds_to is null or l.holds_to > statement_timestamp())
      and (l.kind <> 'event' or ((%(since)s::timestamptz is null or l.at >= %(since)s) and (%(until)s::timestamptz is null or l.at < %(until)s)))
    order by f.distance limit %(candidates)s
), found as (
    select space, item, id from by_words union select space, item, id from by_meaning
)
select l.id, l.space, l.store, l.kind, l.name, l.subject, l.target, l.slot, l.value, l.text, l.origin, l.trust, l.known_from,
       l.true_from, l.true_to, case s.kind when 'group' then s.grp else s.kind end as namespace, about.name as about, l.stale_at is not null as stale,
       case when l.stale_at is not null then taken_back(l.space, l.id) end as taken_back,
       (select jsonb_agg(jsonb_build_object('id', c.id, 'text', c.text, 'origin', c.origin, 'known_from', c.known_from) order by c.id desc)
        from learning c where c.space = l.space and c.store = l.store and c.subject = l.subject and c.slot = l.slot
          and c.status = 'challenge' and c.known_to is null and s.kind in ('user', 'session')) as challenges,
       coalesce(w.words, 0) as words, coalesce(w.covered, 0) as covered, 1 - (e.vector <=> %(vector)s::halfvec) as meaning
from found f
cross join lateral (select * from learning where space = f.space and id = f.id offset 0) l
join space s on s.id = l.space
left join by_words w on w.space = f.space and w.item = f.item
left join lateral (select vector from embedding where space = f.space and model = %(model)s and source = %(source)s and item = f.item offset 0) e on true
left join learning about on about.space + 0 = l.space and about.store = l.store and about.subject = '' and about.slot = l.subject
      and about.kind = 'entity' and about.known_to is null;

-- name: messages
-- The same over what was said: the speaker's own words and the answers to them, with their neighbours on their branch.
-- What is in front of the agent is left out, and so is a turn in which something was said that was taken back since.
with gone as (
    select messages_taken_back() as keys
), by_words as (
    select f.space, f.item, f.words, f.covered
    from (select * from word_scores('message', %(lexemes)s, %(words)s) order by words desc, item desc offset 0) f
    cross join lateral (
        select m.key, m.session, m.said_at, m.expires_at, t.abandoned_at, t.messages, (select standing_line()) as line
        from message m join turn t on t.space = m.space and t.id = m.turn where m.space = f.space and m.id = f.item offset 0) m
    where not m.key = any (%(here)s::text[]) and (m.expires_at is null or m.expires_at > clock_timestamp())
      and (%(since)s::timestamptz is null or m.said_at >= %(since)s) and (%(until)s::timestamptz is null or m.said_at < %(until)s)
      and not m.messages && (select keys from gone)
      and on_branch(m.session, m.key, m.abandoned_at, %(session)s, %(here)s::text[], m.line)
    order by f.words desc, f.item desc limit %(candidates)s
), by_index as (
    select looks_in_index('message', %(model)s, %(exact_up_to)s) as yes
), by_meaning as (
    select f.space, f.item
    from (select e.space, e.item, (e.vector <=> %(vector)s::halfvec) + 0 as distance from embedding e
          where e.model = %(model)s and e.source = 'message' and not (select yes from by_index)
          union all
          select n.space, n.item, n.distance from nearest_by_index('message', %(model)s, %(vector)s::halfvec, 4 * %(candidates)s) n
          where (select yes from by_index)
          order by distance offset 0) f
    cross join lateral (
        select m.key, m.session, m.said_at, m.expires_at, t.abandoned_at, t.messages, (select standing_line()) as line
        from message m join turn t on t.space = m.space and t.id = m.turn where m.space = f.space and m.id = f.item offset 0) m
    where %(vector)s::halfvec is not null and not m.key = any (%(here)s::text[]) and (m.expires_at is null or m.expires_at > clock_timestamp())
      and (%(since)s::timestamptz is null or m.said_at >= %(since)s) and (%(until)s::timestamptz is null or m.said_at < %(until)s)
      and not m.messages && (select keys from gone)
      and on_branch(m.session, m.key, m.abandoned_at, %(session)s, %(here)s::text[], m.line)
    order by f.distance limit %(candidates)s
), found as (
    select space, item from by_words union select space, item from by_meaning
)
select m.id, m.space, m.session, m.key, m.role, m.content, m.said_at,
       coalesce(w.words, 0) as words, coalesce(w.covered, 0) as covered, 1 - (e.vector <=> %(vector)s::halfvec) as meaning,
       before.id as before_id, before.role as before_role, before.content as before_content,
       after.id as after_id, after.role as after_role, after.content as after_content
from found f
cross join lateral (
    select m.*, (select standing_line()) as line from message m where m.space = f.space and m.id = f.item offset 0) m
left join by_words w on w.space = f.space and w.item = f.item
left join lateral (select vector from embedding where space = f.space and model = %(model)s and source = 'message' and item = f.item offset 0) e on true
left join lateral (
    select b.id, b.role, b.content from message b join turn t on t.space = b.space and t.id = b.turn
    where b.space = m.space and b.session = m.session and b.id < m.id
      and not b.key = any (%(here)s::text[]) and (b.expires_at is null or b.expires_at > statement_timestamp())
      and not t.messages && (select keys from gone) and on_branch(b.session, b.key, t.abandoned_at, %(session)s, %(here)s::text[], m.line)
    order by b.id desc limit 1) before on true
left join lateral (
    select a.id, a.role, a.content from message a join turn t on t.space = a.space and t.id = a.turn
    where a.space = m.space and a.session = m.session and a.id > m.id
      and not a.key = any (%(here)s::text[]) and (a.expires_at is null or a.expires_at > statement_timestamp())
      and not t.messages && (select keys from gone) and on_branch(a.session, a.key, t.abandoned_at, %(session)s, %(here)s::text[], m.line)
    order by a.id limit 1) after on true;

-- name: index
insert into posting (space, source, lexeme, item, weight)
select %(space)s, %(source)s, lexeme, %(item)s, weight from unnest(%(lexemes)s::text[], %(weights)s::real[]) as t (lexeme, weight)
on conflict do nothing;

-- name: embed
-- Only the database's model: a process that has not heard yet that it was changed leaves the vector to `reembed`.
insert into embedding (space, item, source, model, vector)
select %(space)s, %(item)s, %(source)s, id, %(vector)s::halfvec from embedding_model where id = %(model)s and active
on conflict do nothing;

-- name: unindex
with words as (delete from posting where space = %(space)s and source = any (%(sources)s::text[]) and item = %(item)s)
delete from embedding where space = %(space)s and source = any (%(sources)s::text[]) and item = %(item)s;

-- name: unindexed_messages
-- What was said in these turns and is not searchable yet; held, so that no words are kept of what is erased meanwhile.
select m.id, m.turn, m.key from message m
where m.space = %(space)s and m.turn = any (%(turns)s::uuid[])
  and not exists (select from posting p where p.space = m.space and p.source = 'message' and p.item = m.id)
order by m.id for share of m;

-- name: near
-- Learnings of one space that may say the same: nearest by meaning, and by the words that tell most.
with by_words as (
    select item from word_scores(%(source)s, %(lexemes)s, %(words)s) where space = %(space)s order by words desc, item limit 10
), by_meaning as (
    select item from embedding
    where space = %(space)s and source = %(source)s and model = %(model)s and %(vector)s::halfvec is not null
    order by (vector <=> %(vector)s::halfvec) + 0 limit 10
)
select l.id, l.slot, l.name, l.text, l.trust, 1 - (e.vector <=> %(vector)s::halfvec) as meaning
from (select item from by_words union select item from by_meaning) f
join learning l on l.space = %(space)s and l.id = f.item
left join embedding e on e.space = l.space and e.model = %(model)s and e.source = %(source)s and e.item = l.id
where l.status = 'active' and l.known_to is null and l.kind = %(kind)s
  and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()))
order by meaning desc nulls last, l.id;

-- name: active_model
select id, name, dimension from embedding_model where active;

-- name: add_model
insert into embedding_model (name, dimension, active) values (%(name)s, %(dimension)s, %(active)s) on conflict do nothing;

-- name: model_named
select id, name, dimension, active from embedding_model where name = %(name)s;

-- name: vector_indexes
-- The vector indexes there are, whether each is usable, and whether its model is the database's.
select c.relname as name, i.indisvalid as valid, coalesce(m.active, false) as active
from pg_class c join pg_index i on i.indexrelid = c.oid
left join embedding_model m on c.relname = 'embedding_nearest_' || m.id
where c.relnamespace = %(schema)s::regnamespace and c.relname like 'embedding\_nearest\_%%';

-- name: build_vector_index
create index concurrently {index} on {schema}.embedding using hnsw ((vector::{vectors}.halfvec({dimension})) {vectors}.halfvec_cosine_ops)
where model = {model};

-- name: drop_vector_index
drop index concurrently {schema}.{index};
