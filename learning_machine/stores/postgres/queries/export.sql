-- All that is known of a person, as they may see it. Run under their own scope, in one snapshot: row-level security says
-- what is theirs. `own`: their space. Each row is a JSON object, as it is written to the file.

-- name: snapshot
set transaction isolation level repeatable read, read only;

-- name: spaces
select id, kind, grp from space order by id;

-- name: size
select (select count(*) from turn where space = %(own)s) + (select count(*) from message where space = %(own)s) + (select count(*) from learning where status <> 'undone')
     + (select count(*) from evidence where space = %(own)s and withdrawn_at is null) + (select count(*) from derived_from where space = any (%(spaces)s))
     + (select count(*) from root where space = %(own)s) + (select count(*) from archived where space = any (%(spaces)s))
     + (select count(*) from proposal where speaker = %(own)s and status in ('pending', 'rejected')) as records;

-- name: turns
select to_jsonb(t) - 'seq' - 'imported' || jsonb_build_object('scope', t.scope - 'user_id', 'read', w.batch, 'read_at', w.read_at) as row
from turn t left join watermark w on w.space = t.space and w.turn = t.id where t.space = %(own)s order by t.seq;

-- name: messages
select to_jsonb(m) || jsonb_build_object(
           'indexed', exists (select from posting p where p.space = m.space and p.source = 'message' and p.lexeme = '' and p.item = m.id)) as row
from message m where m.space = %(own)s and (m.expires_at is null or m.expires_at > clock_timestamp()) order by m.id;

-- name: learnings
-- Whose a shared learning is, is told of the person's own alone.
select to_jsonb(l)
       || jsonb_build_object(
           'actor', case when l.space = %(own)s or l.actor = 'space ' || %(own)s then l.actor end,
           'agent', case when l.space = %(own)s or l.actor = 'space ' || %(own)s then l.agent end,
           'turn', case when l.space = %(own)s or l.actor = 'space ' || %(own)s then l.turn end,
           'indexed', exists (select from posting p where p.space = l.space and p.source = l.store and p.lexeme = '' and p.item = l.id),
           'named', exists (select from posting p where p.space = l.space and p.source = 'name' and p.item = l.id)) as row
from learning l where l.status <> 'undone' order by l.id;

-- name: evidence
-- With the conversation it was said in, so that it is known again when that was erased.
select to_jsonb(e) || jsonb_build_object('session', (select t.session from turn t where t.space = e.space and t.id = e.turn)) as row from evidence e
where e.space = %(own)s and e.withdrawn_at is null
  and (exists (select from learning l where l.space = e.learning_space and l.id = e.learning and l.status <> 'undone')
       or exists (select from proposal p where p.space = e.learning_space and p.id = e.proposal and p.status in ('pending', 'rejected')))
order by e.id;

-- name: derived
select to_jsonb(d) as row from derived_from d
where d.space = any (%(spaces)s::bigint[]) and d.source_space = any (%(spaces)s::bigint[])
  and exists (select from learning l where l.space = d.space and l.id = d.learning and l.status <> 'undone')
  and exists (select from learning l where l.space = d.source_space and l.id = d.source and l.status <> 'undone')
order by d.space, d.learning, d.source_space, d.source;

-- name: roots
select to_jsonb(r) as row from root r
where r.space = %(own)s and exists (select from learning l where l.space = r.learning_space and l.id = r.learning and l.status <> 'undone')
order by r.learning, r.session, r.anchor;

-- name: archived
-- What curation took back, also where that was undone: it is not to do it again.
select to_jsonb(a) as row from archived a
where a.space = any (%(spaces)s::bigint[]) and exists (select from learning l where l.space = a.space and l.id = a.learning and l.status <> 'undone')
order by a.space, a.learning, a.at;

-- name: proposals
select to_jsonb(p) || jsonb_build_object('scope', p.scope - 'user_id') as row from proposal p where p.speaker = %(own)s and p.status in ('pending', 'rejected') order by p.id;

-- Bringing it back. All of it is run under the scope of the person, but what is said to be the administrator's.

-- name: taken_learnings
-- Which of these ids somebody has. The administrator asks, because it may be somebody else.
select id from learning where id = any (%(ids)s::bigint[]);

-- name: taken_proposals
select id from proposal where id = any (%(ids)s::bigint[]);

-- name: keep_space
-- The administrator's: a space that is not here yet gets the number it had, where nobody has it, nor had it and was erased.
with made as (
    insert into space (id, kind, owner, session, grp)
    overriding system value
    select %(id)s, %(kind)s, %(owner)s, %(session)s, %(grp)s
    where not exists (select from change where space = %(id)s)
      and not exists (select from space
                      where id = %(id)s or (kind, owner, session, grp) is not distinct from (%(kind)s, %(owner)s::text, %(session)s::text, %(grp)s::text))
    on conflict do nothing
    returning id
)
select setval(pg_get_serial_sequence('space', 'id'), greatest(id, nextval(pg_get_serial_sequence('space', 'id')))) from made;

-- name: raise_learning_ids
-- The administrator's: ids that come with a file are not given out again.
select setval(pg_get_serial_sequence('learning', 'id'), greatest(%(id)s, (select max(id) from learning), nextval(pg_get_serial_sequence('learning', 'id'))));

-- name: raise_message_ids
select setval(pg_get_serial_sequence('message', 'id'), greatest(%(id)s, nextval(pg_get_serial_sequence('message', 'id'))));

-- name: raise_proposal_ids
select setval(pg_get_serial_sequence('proposal', 'id'), greatest(%(id)s, nextval(pg_get_serial_sequence('proposal', 'id'))));

-- name: fresh_learning_id
select nextval(pg_get_serial_sequence('learning', 'id')) as id;

-- name: fresh_proposal_id
select nextval(pg_get_serial_sequence('proposal', 'id')) as id;

-- name: erased
-- Which of these things were erased, each by what it is and what it says.
select what, content from unnest(%(whats)s::text[], %(contents)s::text[]) as asked (what, content)
where exists (select from tombstone t where t.digest = erased_digest(%(owner)s, asked.what, asked.content));

-- name: hold
-- Two who bring back the same wait for each other.
select pg_advisory_xact_lock(hashtextextended('import ' || %(space)s::text, 13));

-- name: turns_there
select id from turn where space = %(space)s and id = any (%(ids)s::uuid[]);

-- name: save_turns
insert into turn (space, id, machine, session, answer, messages, parent, scope, shown, recorded_at, abandoned_at, imported)
select %(space)s, r.id, r.machine, r.session, r.answer, r.messages, r.parent, r.scope, r.shown, r.recorded_at, r.abandoned_at, %(batch)s
from jsonb_array_elements(%(rows)s) with ordinality as given (row, place), jsonb_populate_record(null::turn, given.row) r
order by place on conflict do nothing;

-- name: save_watermarks
insert into watermark (space, turn, batch, read_at)
select %(space)s, (row ->> 'id')::uuid, (row ->> 'read')::uuid, coalesce((row ->> 'read_at')::timestamptz, clock_timestamp()) from jsonb_array_elements(%(rows)s) as row where row ->> 'read' is not null
on conflict do nothing;

-- name: unread_turns
select t.id, t.session from turn t
where t.space = %(space)s and t.machine = %(machine)s and not exists (select from watermark w where w.space = t.space and w.turn = t.id)
order by t.seq;

-- name: save_messages
-- The id is kept where it is free in this space.
insert into message (space, id, turn, session, key, position, role, content, said_at, expires_at)
overriding system value
select %(space)s, case when there.id is null then r.id else nextval(pg_get_serial_sequence('message', 'id')) end,
       r.turn, r.session, r.key, r.position, r.role, r.content, r.said_at, r.expires_at
from jsonb_array_elements(%(rows)s) with ordinality as given (row, place)
cross join jsonb_populate_record(null::message, given.row) r
left join message there on there.space = %(space)s and there.id = r.id and (there.turn, there.key) <> (r.turn, r.key)
where exists (select from turn t where t.space = %(space)s and t.id = r.turn)
order by place on conflict (space, turn, key) do nothing
returning id, role, said_at, content, turn, key;

-- name: same_learnings
-- What stands already of these rows: the same content in the same place, learned at the same moment.
select distinct on (given.id) given.id as given, l.id
from unnest(%(ids)s::bigint[], %(spaces)s::bigint[], %(stores)s::text[], %(subjects)s::text[], %(keys)s::text[], %(times)s::timestamptz[])
     as given (id, space, store, subject, content_key, known_from)
join learning l on l.space = given.space and l.store = given.store and l.subject = given.subject and l.content_key = given.content_key
 and l.known_from = given.known_from
order by given.id, l.id;

-- name: same_content
-- What says this already, in whatever slot, or stands in its slot: a row that is open cannot stand beside it.
select id, content_key = %(content_key)s as same, known_from, trust from learning
where space = %(space)s and store = %(store)s and subject = %(subject)s and known_to is null
  and ((kind = %(kind)s and content_key = %(content_key)s and status = 'active')
       or (slot = %(slot)s and status in ('active', 'retired')))
order by (content_key = %(content_key)s) desc limit 1;

-- name: same_entity
-- The thing of this name that is known here under another id.
select slot from learning
where space = %(space)s and store = %(store)s and subject = '' and kind = 'entity' and known_to is null and status = 'active'
  and lower(name) = lower(%(name)s) and coalesce(value ->> 'type', '') = %(type)s and slot <> %(slot)s limit 1;

-- name: save_learning
insert into learning overriding system value
select r.* from jsonb_populate_record(null::learning, %(row)s) r;

-- name: supersede
update learning set superseded_by = %(by)s where space = %(space)s and id = any (%(ids)s::bigint[]) and superseded_by is null and known_to is not null;

-- name: note_learning
-- The record says what came back. What it closed is in it too, as it stands now.
insert into change (space, learning, action, before, after, actor, origin, batch)
select l.space, l.id, case l.status when 'retired' then 'retire' when 'challenge' then 'challenge' else 'save' end,
       (select to_jsonb(b) from learning b where b.space = l.space and b.superseded_by = l.id order by b.id desc limit 1),
       to_jsonb(l), l.actor, l.origin, %(batch)s
from learning l where l.space = %(space)s and l.id = %(id)s;

-- name: note_end
-- Why a row that came back is closed: it was so in the file, or something newer stands here.
insert into change (space, learning, action, before, after, actor, origin, batch)
select l.space, l.id, 'restore', null, to_jsonb(l), %(actor)s, 'import', %(batch)s from learning l
where l.space = %(space)s and l.id = %(id)s
  and not exists (select from change c where c.space = l.space and c.learning = l.id and c.action = 'restore');

-- name: save_evidence
insert into evidence (space, learning_space, learning, proposal, turn, message, quote, said_at, batch, withdrawn_at)
select %(space)s, r.learning_space, r.learning, r.proposal, r.turn, r.message, r.quote, r.said_at, r.batch, r.withdrawn_at
from jsonb_array_elements(%(rows)s) with ordinality as given (row, place), jsonb_populate_record(null::evidence, given.row) r
where not exists (select from evidence e
                  where e.space = %(space)s and e.learning_space = r.learning_space and e.learning is not distinct from r.learning
                    and e.proposal is not distinct from r.proposal and e.message is not distinct from r.message and e.quote = r.quote)
order by place;

-- name: save_derived
insert into derived_from (space, learning, source_space, source, fallen_at)
select r.space, r.learning, r.source_space, r.source, r.fallen_at
from jsonb_array_elements(%(rows)s) as row, jsonb_populate_record(null::derived_from, row) r on conflict do nothing;

-- name: save_roots
insert into root (space, learning_space, learning, session, anchor, abandoned_at)
select %(space)s, r.learning_space, r.learning, r.session, r.anchor, r.abandoned_at
from jsonb_array_elements(%(rows)s) as row, jsonb_populate_record(null::root, row) r on conflict do nothing;

-- name: save_archived
insert into archived (space, learning, survivor, reason, batch, at)
select r.space, r.learning, r.survivor, r.reason, r.batch, r.at
from jsonb_array_elements(%(rows)s) as row, jsonb_populate_record(null::archived, row) r on conflict do nothing;

-- name: same_proposal
select id from proposal
where space = %(space)s and store = %(store)s and subject = %(subject)s and kind = %(kind)s and content_key = %(content_key)s
  and (proposed_at = %(proposed_at)s or (status = 'pending' and %(status)s = 'pending')) limit 1;

-- name: save_proposal
insert into proposal overriding system value select r.* from jsonb_populate_record(null::proposal, %(row)s) r;

-- name: note_proposal
insert into change (space, proposal, action, after, actor, origin, batch)
select p.space, p.id, 'propose', p.shown, %(actor)s, p.origin, %(batch)s from proposal p where p.space = %(space)s and p.id = %(id)s
union all
select p.space, p.id, p.status, jsonb_build_object('status', p.status), p.decided_by, 'import', %(batch)s from proposal p
where p.space = %(space)s and p.id = %(id)s and p.status <> 'pending';
