-- Taking out what is known of somebody. All of it is run as the administrator, in one transaction that nobody can see half of.

-- name: spaces_of
-- The person's own spaces: of a user one, of a conversation without a user its own.
select id from space where (kind = 'user' and owner = %(user)s) or (kind = 'session' and %(user)s::text is null and session = %(session)s);

-- name: hold_said
-- Whoever reads or marks what was said holds these rows before all else: we wait for them here, while we hold nothing yet.
with turns as (select from turn where space = any (%(spaces)s::bigint[]) for update
), messages as (select from message where space = any (%(spaces)s::bigint[]) for update
)
select (select count(*) from turns) as turns, (select count(*) from messages) as messages;

-- name: lock_shared
-- Every write ends in the chain of its space. Who holds all of these chains is alone with what is shared.
select id from space where kind in ('group', 'global') order by id;

-- name: hold_spaces
-- Whoever writes into a space reads this row to prove that it is there: from here on they wait for us, and then find it gone.
select id from space where id = any (%(spaces)s::bigint[]) order by id for update;

-- name: turns
-- Conversations that go, turn by turn. Of a time, what was recorded in it and what was said in it: an old conversation may
-- have been brought in today.
select id, session, messages from turn t
where space = any (%(spaces)s::bigint[]) and (%(session)s::text is null or session = %(session)s)
  and (%(batches)s::uuid[] is null or imported = any (%(batches)s))
  and (((%(since)s::timestamptz is null or recorded_at >= %(since)s) and (%(until)s::timestamptz is null or recorded_at < %(until)s))
       or exists (select from message m
                  where m.space = t.space and m.turn = t.id
                    and (%(since)s::timestamptz is null or m.said_at >= %(since)s) and (%(until)s::timestamptz is null or m.said_at < %(until)s)));

-- name: mentions
-- What was said of a thing by its names, whoever of the two sides said it.
select space, id, turn, session, key from message
where space = any (%(spaces)s::bigint[]) and content ~* %(pattern)s and (%(session)s::text is null or session = %(session)s)
  and (%(since)s::timestamptz is null or said_at >= %(since)s) and (%(until)s::timestamptz is null or said_at < %(until)s);

-- name: own_learnings
-- Of the person's own space: all of it, or what belongs to a conversation, a time, a thing or a file.
select l.space, l.id from learning l
where l.space = any (%(spaces)s::bigint[])
  and (%(session)s::text is null or l.session = %(session)s or l.turn = any (%(turns)s::uuid[])
       or (l.store = 'session_context' and l.subject = %(session)s))
  and (%(since)s::timestamptz is null or l.known_from >= %(since)s or l.turn = any (%(turns)s::uuid[]))
  and (%(until)s::timestamptz is null or l.known_from < %(until)s or l.turn = any (%(turns)s::uuid[]))
  and (%(things)s::text[] is null or about_thing(l, %(things)s, %(pattern)s))
  and (%(batches)s::uuid[] is null or l.batch = any (%(batches)s) or l.turn = any (%(turns)s::uuid[])
       or exists (select from change c where c.space = l.space and c.learning = l.id and c.batch = any (%(batches)s)));

-- name: things
-- The things of this name, in the person's own space and where they brought them up, with all names they go by.
select l.slot, array_agg(distinct named.name) as names from learning l
cross join lateral (select l.name union select jsonb_array_elements_text(coalesce(l.value -> 'aliases', '[]'))) as named (name)
where l.kind = 'entity' and (l.space = any (%(spaces)s::bigint[]) or l.actor = any (%(actors)s::text[]))
  and exists (select from learning o
              where o.space = l.space and o.store = l.store and o.slot = l.slot and o.kind = 'entity'
                and (lower(o.name) = lower(%(name)s) or exists (
                    select from jsonb_array_elements_text(coalesce(o.value -> 'aliases', '[]')) as alias where lower(alias) = lower(%(name)s))))
group by l.slot;

-- name: batches
select batch from imported where space = any (%(spaces)s::bigint[]) and source = %(source)s;

-- name: note_import
insert into imported (space, batch, source) values (%(space)s, %(batch)s, %(source)s) on conflict do nothing;

-- name: note_turns
-- Which batch brought a conversation, so that it goes with the file it came from.
update turn set imported = %(batch)s where space = %(space)s and session = %(session)s and imported is null;

-- name: shared_learnings
-- What the person brought into shared spaces, or worded for others there, as far as it is meant. What they only approved is
-- not theirs.
select l.space, l.id from learning l
where not l.space = any (%(spaces)s::bigint[])
  and (l.actor = any (%(actors)s::text[]) or l.turn = any (%(turns)s::uuid[])
       or (l.actor = %(user)s
           and not exists (select from proposal p where p.space = l.space and p.learning = l.id and p.verdict ->> 'action' = 'approve')
           and not exists (select from learning c where c.space = l.space and c.superseded_by = l.id and c.status = 'challenge' and c.text = l.text)))
  and (%(session)s::text is null or l.turn = any (%(turns)s::uuid[])
       or exists (select from root r where r.space = any (%(spaces)s::bigint[]) and r.learning_space = l.space and r.learning = l.id and r.session = %(session)s))
  and (%(since)s::timestamptz is null or l.known_from >= %(since)s or l.turn = any (%(turns)s::uuid[]))
  and (%(until)s::timestamptz is null or l.known_from < %(until)s or l.turn = any (%(turns)s::uuid[]))
  and (%(things)s::text[] is null or about_thing(l, %(things)s, %(pattern)s))
  and (%(batches)s::uuid[] is null or l.batch = any (%(batches)s) or l.turn = any (%(turns)s::uuid[])
       or exists (select from change c where c.space = l.space and c.learning = l.id and c.batch = any (%(batches)s)));

-- name: resting
-- What was derived, near or far, from what goes.
with recursive down as (
    select d.space, d.learning from derived_from d
    join unnest(%(spaces)s::bigint[], %(ids)s::bigint[]) as gone (space, id) on d.source_space = gone.space and d.source = gone.id
    union
    select d.space, d.learning from down join derived_from d on d.source_space = down.space and d.source = down.learning
)
select distinct space, learning as id from down;

-- name: standing
-- The learnings that go, with what else they stand on: words of others, or of theirs that stay, and sources that stay.
with gone as (select * from unnest(%(spaces)s::bigint[], %(ids)s::bigint[]) as t (space, id))
select l.space, l.id, l.store, l.kind, l.subject, l.target, l.slot, l.name, l.value, l.text, l.found_by, l.content_key, l.known_to, l.status,
       (select jsonb_agg(jsonb_build_object('id', e.id, 'space', e.space, 'turn', e.turn, 'quote', e.quote, 'role', m.role) order by e.id)
          from evidence e left join message m on m.space = e.space and m.turn = e.turn and m.key = e.message
         where e.learning_space = l.space and e.learning = l.id and e.withdrawn_at is null
           and not (e.space = any (%(own)s::bigint[]) and (%(others_only)s or e.turn is null or e.turn = any (%(turns)s::uuid[])))) as quotes,
       (select jsonb_agg(jsonb_build_object('space', s.space, 'id', s.id, 'text', s.text, 'actor', s.actor) order by s.id)
          from derived_from d join learning s on s.space = d.source_space and s.id = d.source
         where d.space = l.space and d.learning = l.id
           and (s.space, s.id) not in (select space, id from gone)) as sources,
       (select jsonb_agg(coalesce(o.found_by, o.text)) from learning o
         where l.kind = 'entity' and o.space = l.space and o.store = l.store and (o.subject = l.slot or o.target = l.slot)
           and o.known_to is null and o.status = 'active'
           and (o.space, o.id) not in (select space, id from gone)) as told
from learning l join gone on l.space = gone.space and l.id = gone.id
order by l.space, l.id;

-- name: proposals
select p.space, p.id, p.store, p.kind, p.shown ->> 'text' as text from proposal p
where (p.speaker = any (%(spaces)s::bigint[]) or p.space = any (%(spaces)s::bigint[])
       or exists (select from unnest(%(learning_spaces)s::bigint[], %(ids)s::bigint[]) as gone (space, id)
                  where p.space = gone.space and (p.learning = gone.id or (p.shown ->> 'replaces_id')::bigint = gone.id)))
  and (%(whole)s or p.turn = any (%(turns)s::uuid[]) or p.session = %(session)s
       or exists (select from unnest(%(learning_spaces)s::bigint[], %(ids)s::bigint[]) as gone (space, id)
                  where p.space = gone.space and (p.learning = gone.id or (p.shown ->> 'replaces_id')::bigint = gone.id))
       or (p.proposed_at >= %(since)s::timestamptz and p.proposed_at < coalesce(%(until)s::timestamptz, 'infinity'))
       or (p.proposed_at < %(until)s::timestamptz and %(since)s::timestamptz is null)
       or (p.speaker = any (%(spaces)s::bigint[]) and p.shown::text ~* %(pattern)s));

-- name: others_turns
-- Turns of others whose words stand behind a proposal that goes.
select distinct e.space, e.turn from evidence e
join unnest(%(spaces)s::bigint[], %(ids)s::bigint[]) as gone (space, id) on e.learning_space = gone.space and e.proposal = gone.id
where e.turn is not null and not e.space = any (%(own)s::bigint[]);

-- name: entomb
insert into tombstone (space, digest)
select %(space)s, erased_digest(%(owner)s, what, content) from unnest(%(whats)s::text[], %(contents)s::text[]) as t (what, content)
on conflict (space, digest) do update set erased_at = clock_timestamp();

-- name: message_marks
select session || chr(31) || key as content from message
where space = any (%(spaces)s::bigint[]) and (turn = any (%(turns)s::uuid[]) or id = any (%(mentions)s::bigint[]))
union
select session || chr(31) || key from turn, unnest(messages) as key where space = any (%(spaces)s::bigint[]) and id = any (%(turns)s::uuid[]);

-- name: drop_search
with gone as (select * from unnest(%(spaces)s::bigint[], %(ids)s::bigint[]) as t (space, id)
), words as (
    delete from posting p using gone where p.space = gone.space and p.item = gone.id and p.source <> 'message' returning 1
), vectors as (
    delete from embedding e using gone where e.space = gone.space and e.item = gone.id and e.source <> 'message' returning 1
)
select (select count(*) from words) as words, (select count(*) from vectors) as vectors;

-- name: drop_said
-- The words of these turns, and what else was said of a thing, with what search found them by.
with gone as (
    delete from message
    where space = any (%(spaces)s::bigint[]) and (turn = any (%(turns)s::uuid[]) or id = any (%(mentions)s::bigint[])) returning space, id
), words as (
    delete from posting p using gone where p.space = gone.space and p.source = 'message' and p.item = gone.id returning 1
), vectors as (
    delete from embedding e using gone where e.space = gone.space and e.source = 'message' and e.item = gone.id returning 1
)
select (select count(*) from gone) as messages, (select count(*) from words) as words, (select count(*) from vectors) as vectors;

-- name: drop_turns
delete from turn where space = any (%(spaces)s::bigint[]) and id = any (%(turns)s::uuid[]);

-- name: drop_errors
delete from job_error where space = any (%(spaces)s::bigint[]) and turn = any (%(turns)s::uuid[]);

-- name: drop_words
-- The evidence that lies in the person's own space, also behind what others' learnings stand on.
delete from evidence
where space = any (%(spaces)s::bigint[]) and (%(whole)s or turn = any (%(turns)s::uuid[]) or quote ~* %(pattern)s);

-- name: drop_roots
delete from root
where space = any (%(spaces)s::bigint[])
  and (%(whole)s or session = %(session)s
       or (session, anchor) in (select t.session, key from turn t, unnest(t.messages) as key
                                where t.space = root.space and t.id = any (%(turns)s::uuid[])));

-- name: drop_learnings
delete from learning l using unnest(%(spaces)s::bigint[], %(ids)s::bigint[]) as gone (space, id) where l.space = gone.space and l.id = gone.id;

-- name: drop_dangling
-- That something was derived from what is gone.
delete from derived_from d using unnest(%(spaces)s::bigint[], %(ids)s::bigint[]) as gone (space, id)
where d.source_space = gone.space and d.source = gone.id;

-- name: drop_proposals
with gone as (
    delete from proposal p using unnest(%(spaces)s::bigint[], %(ids)s::bigint[]) as t (space, id) where p.space = t.space and p.id = t.id
    returning p.space, p.id
), words as (
    delete from evidence e using gone where e.learning_space = gone.space and e.proposal = gone.id and e.learning is null returning 1
)
select (select count(*) from gone) as proposals, (select count(*) from words) as words;

-- name: drop_voices
delete from supporter where supporter = any (%(spaces)s::bigint[]);

-- name: drop_plans
-- What curation wanted to do where something goes; it may hold words. It plans anew.
delete from curation where space = any (%(spaces)s::bigint[]) and ran_at is null;

-- name: forget_decider
update proposal set decided_by = null, verdict = null where decided_by = %(user)s;

-- name: forget_settler
update flag set settled_by = null where settled_by = %(user)s;

-- name: forget_author
-- What a person decided and others said: it stays, and no longer says who decided.
update learning set actor = 'space 0' where actor = %(user)s returning space, id;

-- name: drop_payloads
-- The record of what goes keeps its place in the chain and loses its words, and so does what the person decided for others,
-- with their reasons. One row for each space that had some.
with gone as (select * from unnest(%(spaces)s::bigint[], %(ids)s::bigint[]) as t (space, id)
), waiting as (select * from unnest(%(proposal_spaces)s::bigint[], %(proposals)s::bigint[]) as t (space, id)
), cleared as (
    update change c
       set before = null, after = null, salt = null, actor = case when c.actor_mark is null or c.actor like 'space %%' then c.actor end
     where c.salt is not null and c.action <> 'erase'
       and (c.space = any (%(whole_spaces)s::bigint[]) or c.actor = %(decider)s
            or (c.space, c.learning) in (select space, id from gone)
            or (c.space, c.before ->> 'id') in (select space, id::text from gone)
            or (c.space, c.after ->> 'id') in (select space, id::text from gone)
            or (c.space, c.proposal) in (select space, id from waiting))
    returning c.space
)
select space, count(*) as payloads from cleared group by space order by space;

-- name: forget_actor
update change set actor = null where actor = %(user)s and actor_mark is not null;

-- name: named_actor
-- Rows of the record from before names could be taken out of it.
select count(*) as rows from change where actor = %(user)s;

-- name: jobs
-- What waits to be read of turns that go. What runs just now finds nothing and ends.
delete from procrastinate_jobs
where status in ('todo', 'failed', 'aborted') and (args ->> 'space')::bigint = any (%(spaces)s::bigint[])
  and (%(whole)s or args ->> 'turn' = any (%(turns)s::text[]));

-- name: remaining
-- Of these threads, those in which something is still to be read.
select distinct on (t.space, t.session) t.space, t.id as turn, t.machine, t.session from turn t
where t.space = any (%(spaces)s::bigint[]) and t.session = any (%(sessions)s::text[])
  and not exists (select from watermark w where w.space = t.space and w.turn = t.id)
order by t.space, t.session, t.seq;

-- name: read_again
-- Turns of others that said the same: they are read once more, so that what they taught stands on them alone.
with again as (
    delete from watermark w using unnest(%(spaces)s::bigint[], %(turns)s::uuid[]) as t (space, turn)
    where w.space = t.space and w.turn = t.turn and exists (select from message m where m.space = w.space and m.turn = w.turn)
    returning w.space, w.turn
)
select a.space, a.turn, t.machine, t.session from again a join turn t on t.space = a.space and t.id = a.turn;

-- name: rewrite
-- A learning of several people, written anew from what the others said.
insert into learning (space, store, kind, subject, target, slot, name, value, text, found_by, content_key, origin, trust, status, known_from,
                      actor, batch)
select %(space)s, %(store)s, %(kind)s, %(subject)s, %(target)s, %(slot)s, %(name)s, %(value)s, %(text)s, %(found_by)s, %(content_key)s,
       %(origin)s, %(trust)s, 'active', clock_timestamp(), %(actor)s, %(batch)s
where not exists (select from learning l
                  where l.space = %(space)s and l.store = %(store)s and l.subject = %(subject)s and l.known_to is null
                    and ((l.slot = %(slot)s and l.status in ('active', 'retired'))
                         or (l.kind = %(kind)s and l.content_key = %(content_key)s and l.status = 'active')))
returning id;

-- name: keep_words_aside
-- The words of others, before what they stand behind goes.
select space, learning_space, learning, turn, message, quote, said_at from evidence
where learning_space = %(space)s and learning = %(old)s and id = any (%(quotes)s::bigint[]) order by id;

-- name: closed_by
-- What stays and was closed by what goes: what an own value took the place of, unless it was taken back since, and what
-- curation merged into it. Newest first.
with gone as (select * from unnest(%(spaces)s::bigint[], %(ids)s::bigint[]) as t (space, id)
), vacant as (
    select o.space, o.store, o.subject, o.slot from learning o join gone on o.space = gone.space and o.id = gone.id
    where o.known_to is null and o.status = 'active'
)
select l.space, l.id, l.store, l.kind, l.name, l.value, l.found_by from learning l
where (l.space, l.id) not in (select space, id from gone)
  and ((l.status = 'active' and (l.space, l.superseded_by) in (select space, id from gone)
        and (l.space, l.store, l.subject, l.slot) in (select * from vacant))
       or (l.status = 'archived' and exists (
           select from archived a where a.space = l.space and a.learning = l.id and (a.space, a.survivor) in (select space, id from gone))))
order by l.id desc;

-- name: stand_again
-- Open it again, unless something else stands there. Noted as the undoing it is.
with before as (
    select l.* from learning l
    where l.space = %(space)s and l.id = %(id)s and l.known_to is not null
      and not exists (select from learning o
                      where o.space = l.space and o.store = l.store and o.subject = l.subject and o.known_to is null
                        and ((o.slot = l.slot and o.status in ('active', 'retired'))
                             or (o.kind = l.kind and o.content_key = l.content_key and o.status = 'active')))
), opened as (
    update learning l set status = 'active', known_to = null, superseded_by = null, true_to = l.holds_to from before b
    where l.space = b.space and l.id = b.id returning l.*
)
insert into change (space, learning, action, before, after, actor, origin, batch)
select o.space, o.id, 'undo', to_jsonb(b), to_jsonb(o), 'operator', 'reviewer', %(batch)s from opened o join before b on b.id = o.id;

-- name: give_words
insert into evidence (space, learning_space, learning, turn, message, quote, said_at, batch)
values (%(space)s, %(learning_space)s, %(id)s, %(turn)s, %(message)s, %(quote)s, %(said_at)s, %(batch)s);

-- name: keep_sources
insert into derived_from (space, learning, source_space, source)
select %(space)s, %(id)s, s.space, s.id from unnest(%(source_spaces)s::bigint[], %(sources)s::bigint[]) as s (space, id) on conflict do nothing;

-- name: note
insert into change (space, learning, action, before, after, actor, origin, batch)
select l.space, l.id, 'save', null, to_jsonb(l), l.actor, l.origin, l.batch from learning l where l.space = %(space)s and l.id = %(id)s;

-- name: note_erasure
insert into change (space, action, after, actor, origin, batch) values (%(space)s, 'erase', %(after)s, %(actor)s, 'reviewer', %(batch)s);

-- name: empty_space
select rows_of_space(%(space)s, true) as counts;

-- name: drop_derived_of
delete from derived_from where source_space = any (%(spaces)s::bigint[]);

-- name: drop_space
delete from space where id = %(space)s;

-- name: save_receipt
insert into erasure (id, done_at, receipt, digest)
values (%(id)s, clock_timestamp(), %(receipt)s::jsonb, sha256(convert_to(%(receipt)s::jsonb::text, 'UTF8')));

-- name: receipt
select id, done_at, receipt from erasure where id = %(id)s;

-- name: receipts
select id, done_at, receipt from erasure order by done_at;

-- name: hold_threads
-- No checkpoint of these threads is saved until this is over. A few locks serve all threads there are.
select pg_advisory_xact_lock(hashtext('learning machine checkpoints'), bucket)
from (select distinct hashtext(thread) & 63 as bucket from unnest(%(sessions)s::text[]) as thread order by 1) as buckets;

-- name: hold_thread
-- Hold off erasures of a thread until this transaction ends; when it was erased last, if it was.
select hold_thread(%(thread)s) as at;

-- name: hold_unerased_thread
-- The same, and an error if it was erased once.
select hold_unerased_thread(%(thread)s);

-- name: is_saved
select 1 from checkpoints where thread_id = %(thread)s and checkpoint_ns = %(space)s and checkpoint_id = %(checkpoint)s;

-- name: drop_inside
-- What graphs inside a checkpoint's own saved: their spaces are theirs alone.
with inside as (
    select distinct checkpoint_ns from checkpoints
    where thread_id = %(thread)s and checkpoint_ns <> '' and %(checkpoint)s in (select value from jsonb_each_text(metadata -> 'parents'))
), blobs as (delete from checkpoint_blobs b using inside i where b.thread_id = %(thread)s and b.checkpoint_ns = i.checkpoint_ns
), writes as (delete from checkpoint_writes w using inside i where w.thread_id = %(thread)s and w.checkpoint_ns = i.checkpoint_ns
)
delete from checkpoints c using inside i where c.thread_id = %(thread)s and c.checkpoint_ns = i.checkpoint_ns;

-- name: threads_that_stay
-- Of these threads, those in which somebody else has spoken too, or this person in what stays.
select distinct session from turn
where session = any (%(sessions)s::text[]) and not (space = any (%(spaces)s::bigint[]) and id = any (%(turns)s::uuid[]));

-- name: threads_of_others
-- The same, when what goes is gone.
select distinct session from turn where session = any (%(sessions)s::text[]);

-- name: be_owner
-- The checkpointer's tables belong to who connects, not to the roles of the ledger.
select set_config('role', 'none', true);

-- name: be_admin
select set_config('role', current_schema() || '_admin', true);

-- name: has_checkpoints
select to_regclass('checkpoints') is not null and to_regclass('checkpoint_writes') is not null as found;

-- name: checkpoints
with gone as (delete from checkpoints where thread_id = any (%(threads)s::text[]) returning 1
), blobs as (delete from checkpoint_blobs where thread_id = any (%(threads)s::text[]) returning 1
), writes as (delete from checkpoint_writes where thread_id = any (%(threads)s::text[]) returning 1
)
select (select count(*) from gone) + (select count(*) from blobs) + (select count(*) from writes) as rows;

-- name: faults
-- Where the record and the receipts do not agree: a payload without a receipt, a receipt that was altered or that nothing in
-- the record speaks of, or something left of a person who was erased.
select null::bigint as space, e.id::text as what, 'its receipt was altered' as problem from erasure e
where e.digest is distinct from sha256(convert_to(e.receipt::text, 'UTF8'))
union all
select null, e.id::text, 'no record speaks of its receipt' from erasure e
where e.receipt -> 'record' <> '{}'::jsonb
  and (select count(*) from change c where c.batch = e.id and c.action = 'erase')
      <> (select count(*) from jsonb_object_keys(e.receipt -> 'record'))
union all
select c.space, c.batch::text, 'its receipt is gone' from change c
where c.action = 'erase' and not exists (select from erasure e where e.id = c.batch)
union all
select s.space, null, 'words are gone from its record, and no receipt says so' from (
    select space, count(*) filter (where salt is null and action <> 'erase') as missing,
           coalesce(sum((after ->> 'payloads')::bigint) filter (where action = 'erase'), 0) as said
    from change group by space) s
where s.missing <> s.said
union all
select g.space, e.id::text, 'something is left of what it says was removed' from erasure e
cross join lateral (select value::bigint as space from jsonb_array_elements_text(coalesce(e.receipt -> 'spaces', '[]'))) g
where rows_of_space(g.space, false) <> '{}'::jsonb or exists (select from space s where s.id = g.space);
