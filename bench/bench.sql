-- What benchmarks ask the server beside the library's own queries.

-- name: versions
select current_setting('server_version'), (select extversion from pg_extension where extname = 'vector');

-- name: ilike
-- Newest first among texts that hold one of the words anywhere.
select m.key from message m join space s on s.id = m.space
where s.kind = 'user' and s.owner = %(user)s and m.content ilike any (%(patterns)s::text[])
order by m.id desc limit %(limit)s;

-- name: reserve
-- The first of so many ids; the table's own inserts go on behind them.
select setval(sequence, nextval(sequence) + %(count)s) - %(count)s from pg_get_serial_sequence(%(table)s, 'id') as sequence;

-- name: copy_learning
copy learning (space, id, store, kind, subject, slot, name, target, value, text, found_by, content_key, origin, trust, status, true_from, batch) from stdin

-- name: copy_turn
copy turn (space, id, machine, session, answer, messages, scope) from stdin

-- name: copy_message
copy message (space, id, turn, session, key, position, role, content, said_at) from stdin

-- name: copy_posting
copy posting (space, source, lexeme, item, weight) from stdin

-- name: copy_embedding
copy embedding (space, item, source, model, vector) from stdin

-- name: vectors
select e.source, e.vector::text from embedding e join space s on s.id = e.space
where s.kind = 'user' and s.owner = %(user)s order by e.source, e.item;

-- name: without_triggers
set session_replication_role = replica;

-- name: make_spaces
insert into space (kind, owner) select 'user', 'scope-' || number from generate_series(0, %(count)s - 1) as number returning id;

-- name: copy_scale
copy learning (space, id, store, kind, slot, text, found_by, content_key, origin, trust, status, batch) from stdin

-- name: vacuum
vacuum (analyze);

-- name: cluster
cluster embedding using embedding_pkey;

-- name: sizes
select relname, reltuples::bigint, pg_total_relation_size(oid) from pg_class
where relname = any (%(tables)s::text[]) and relkind = 'r' and relnamespace = 'learning_machine'::regnamespace order by relname;

-- name: age_learnings
update learning set known_from = known_from - make_interval(days => %(days)s), known_to = known_to - make_interval(days => %(days)s),
       true_from = true_from - make_interval(days => %(days)s), true_to = true_to - make_interval(days => %(days)s),
       holds_from = holds_from - make_interval(days => %(days)s), holds_to = holds_to - make_interval(days => %(days)s),
       expires_at = expires_at - make_interval(days => %(days)s);

-- name: age_evidence
update evidence set said_at = said_at - make_interval(days => %(days)s);

-- name: age_turns
update turn set recorded_at = recorded_at - make_interval(days => %(days)s);

-- name: age_archived
update archived set at = at - make_interval(days => %(days)s);

-- name: year_active
select l.id, l.store, l.kind, l.name, l.slot, l.subject, l.value, l.text, l.origin, l.trust, l.known_from, l.true_from, l.true_to,
       about.name as about
from learning l join space s on s.id = l.space
left join learning about on about.space = l.space and about.store = l.store and about.kind = 'entity' and about.slot = l.subject and about.known_to is null
where s.kind = 'user' and s.owner = %(user)s and l.status = 'active' and l.known_to is null order by l.id;

-- name: in_a_hurry
do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$;
