-- name: learnings
-- The best of one store for a question, where the conversation stands.
select l.id, l.space, l.store, l.kind, l.name, l.subject, l.target, l.slot, l.value, l.text, l.origin, l.trust, l.known_from,
       l.true_from, l.true_to, case s.kind when 'group' then s.grp else s.kind end as namespace, about.name as about,
       h.words, h.matched, h.meaning
from search_hits(%(source)s, %(lexemes)s, %(words)s, %(model)s, %(vector)s, %(candidates)s) h
join learning l on l.space = h.space and l.id = h.item
join space s on s.id = l.space
left join learning about on about.space = l.space and about.store = l.store and about.subject = '' and about.slot = l.subject
      and about.kind = 'entity' and about.known_to is null
where l.status = 'active' and l.known_to is null and (l.expires_at is null or l.expires_at > clock_timestamp())
  and on_branch(l.session, l.anchor, l.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()));

-- name: messages
-- The same over what was said: the speaker's own words and the answers to them, with their neighbours in the session.
select m.id, m.space, m.session, m.key, m.role, m.content, m.said_at, h.words, h.matched, h.meaning,
       before.id as before_id, before.role as before_role, before.content as before_content,
       after.id as after_id, after.role as after_role, after.content as after_content
from search_hits('message', %(lexemes)s, %(words)s, %(model)s, %(vector)s, %(candidates)s) h
join message m on m.space = h.space and m.id = h.item
join turn t on t.space = m.space and t.id = m.turn
left join lateral (select id, role, content from message b
                   where b.space = m.space and b.session = m.session and b.id < m.id order by b.id desc limit 1) before on true
left join lateral (select id, role, content from message a
                   where a.space = m.space and a.session = m.session and a.id > m.id order by a.id limit 1) after on true
where not m.key = any (%(here)s::text[]) and (m.expires_at is null or m.expires_at > clock_timestamp())
  and (%(since)s::timestamptz is null or m.said_at >= %(since)s) and (%(until)s::timestamptz is null or m.said_at < %(until)s)
  and on_branch(m.session, m.key, t.abandoned_at, %(session)s, %(here)s::text[], (select standing_line()));

-- name: index
insert into posting (space, source, lexeme, item, weight)
select %(space)s, %(source)s, lexeme, %(item)s, weight from unnest(%(lexemes)s::text[], %(weights)s::real[]) as t (lexeme, weight)
on conflict do nothing;

-- name: embed
insert into embedding (space, item, source, model, vector)
values (%(space)s, %(item)s, %(source)s, %(model)s, %(vector)s::halfvec)
on conflict do nothing;

-- name: unindex
with words as (delete from posting where space = %(space)s and source = any (%(sources)s::text[]) and item = %(item)s)
delete from embedding where space = %(space)s and source = any (%(sources)s::text[]) and item = %(item)s;

-- name: unindexed_messages
-- What was said in these turns and is not searchable yet.
select m.id, m.turn, m.key from message m
where m.space = %(space)s and m.turn = any (%(turns)s::uuid[])
  and not exists (select from posting p where p.space = m.space and p.source = 'message' and p.item = m.id);

-- name: near
-- Learnings of one space that may say the same: nearest by meaning, and those sharing most words.
with asked as (
    select * from unnest(%(lexemes)s::text[]) as t (lexeme)
), by_words as (
    select item from posting p join asked using (lexeme) where p.space = %(space)s and p.source = %(source)s
    group by item order by count(*) desc, item limit 5
), by_meaning as (
    select item from embedding
    where space = %(space)s and source = %(source)s and model = %(model)s and %(vector)s::halfvec is not null
    order by (vector <=> %(vector)s::halfvec) + 0 limit 5
)
select l.id, l.slot, l.name, l.text, l.trust, 1 - (e.vector <=> %(vector)s::halfvec) as meaning
from (select item from by_words union select item from by_meaning) f
join learning l on l.space = %(space)s and l.id = f.item
left join embedding e on e.space = l.space and e.model = %(model)s and e.source = %(source)s and e.item = l.id
where l.status = 'active' and l.known_to is null and l.kind = %(kind)s;

-- name: active_model
select id, name, dimension from embedding_model where active;

-- name: add_model
insert into embedding_model (name, dimension, active) values (%(name)s, %(dimension)s, %(active)s) on conflict do nothing;

-- name: model_named
select id, name, dimension, active from embedding_model where name = %(name)s;
