-- Making vectors and words anew. All of it is run as the admin role, which sees every space.

-- name: lock
select pg_try_advisory_lock(hashtextextended('learning machine reembedding ' || %(schema)s, 0)) as taken;

-- name: unlock
select pg_advisory_unlock(hashtextextended('learning machine reembedding ' || %(schema)s, 0));

-- name: lacking
-- How many searchable texts have no vector of a model.
select (select count(*) from learning l
        where l.found_by is not null
          and exists (select from posting p where p.space = l.space and p.source = l.store and p.lexeme = '' and p.item = l.id)
          and not exists (select from embedding e where e.space = l.space and e.model = %(model)s and e.source = l.store and e.item = l.id))
     + (select count(*) from message m
        where exists (select from posting p where p.space = m.space and p.source = 'message' and p.lexeme = '' and p.item = m.id)
          and not exists (select from embedding e where e.space = m.space and e.model = %(model)s and e.source = 'message' and e.item = m.id))
       as texts;

-- name: lacking_learnings
-- The next learnings that search finds by their words and that have no vector of a model.
select l.space, l.store as source, l.id as item, l.found_by as text from learning l
where (l.space, l.id) > (%(space)s, %(item)s) and l.found_by is not null
  and exists (select from posting p where p.space = l.space and p.source = l.store and p.lexeme = '' and p.item = l.id)
  and not exists (select from embedding e where e.space = l.space and e.model = %(model)s and e.source = l.store and e.item = l.id)
order by l.space, l.id limit %(limit)s;

-- name: lacking_messages
select m.space, 'message' as source, m.id as item, m.role, m.said_at, m.content from message m
where (m.space, m.id) > (%(space)s, %(item)s)
  and exists (select from posting p where p.space = m.space and p.source = 'message' and p.lexeme = '' and p.item = m.id)
  and not exists (select from embedding e where e.space = m.space and e.model = %(model)s and e.source = 'message' and e.item = m.id)
order by m.space, m.id limit %(limit)s;

-- name: hold
-- Learnings that get vectors are held first, in a statement of its own: closing one comes before it, and is seen by the
-- next statement, or after it, and takes the vector along.
select l.id from unnest(%(spaces)s::bigint[], %(sources)s::text[], %(items)s::bigint[]) as t (space, source, item)
join learning l on l.space = t.space and l.id = t.item and l.store = t.source
order by l.space, l.id for share of l;

-- name: save_vectors
-- What search stopped finding meanwhile stays without a vector.
insert into embedding (space, item, source, model, vector)
select made.space, made.item, made.source, %(model)s, made.vector::halfvec
from unnest(%(spaces)s::bigint[], %(sources)s::text[], %(items)s::bigint[], %(vectors)s::text[]) as made (space, source, item, vector)
where exists (select from posting p where p.space = made.space and p.source = made.source and p.lexeme = '' and p.item = made.item)
on conflict do nothing;

-- name: deactivate
update embedding_model set active = false where active and id <> %(model)s;

-- name: activate
update embedding_model set active = true where id = %(model)s;

-- name: drop_others
-- Vectors of every other model, and those whose text is gone.
delete from embedding e
where e.model <> %(model)s
   or not exists (select from posting p where p.space = e.space and p.source = e.source and p.lexeme = '' and p.item = e.item);

-- name: searchable
-- How many texts search finds by their words.
select count(*) as texts from posting where lexeme = '';

-- name: hold_learnings
-- The next learnings that search finds, held until their words are written. Things are found by their names too.
select l.space, l.store as source, l.id as item, l.found_by as text,
       case when l.kind = 'entity' then array_append(array(select jsonb_array_elements_text(l.value -> 'aliases')), l.name) end as names
from learning l
where (l.space, l.id) > (%(space)s, %(item)s)
  and exists (select from posting p where p.space = l.space and p.source in (l.store, 'name') and p.item = l.id)
order by l.space, l.id limit %(limit)s for share;

-- name: hold_messages
select m.space, 'message' as source, m.id as item, m.role, m.said_at, m.content from message m
where (m.space, m.id) > (%(space)s, %(item)s)
  and exists (select from posting p where p.space = m.space and p.source = 'message' and p.lexeme = '' and p.item = m.id)
order by m.space, m.id limit %(limit)s for share;

-- name: drop_words
delete from posting p
using unnest(%(spaces)s::bigint[], %(sources)s::text[], %(items)s::bigint[]) as t (space, source, item)
where p.space = t.space and p.source = t.source and p.item = t.item;

-- name: save_words
insert into posting (space, source, lexeme, item, weight)
select * from unnest(%(spaces)s::bigint[], %(sources)s::text[], %(lexemes)s::text[], %(items)s::bigint[], %(weights)s::real[])
on conflict do nothing;

-- name: drop_stray_words
-- Words of messages that went while theirs were written.
delete from posting p
where p.source = 'message' and not exists (select from message m where m.space = p.space and m.id = p.item);
