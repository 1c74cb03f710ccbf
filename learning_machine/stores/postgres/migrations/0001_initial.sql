-- The ledger and what stands around it. Names are unqualified: the migrator sets `search_path` to the machine's schema.
-- oldest code: 1
--
-- Who may see a row is decided in one place, `space`. Every other table carries `space bigint` and one policy on it, so
-- that row-level security is also the index condition. Kinds and statuses are text with a check, because comparing an
-- enum is not leakproof and would keep an index from being used under a policy.

create table queue_version (
    name       text primary key,
    applied_at timestamptz not null default clock_timestamp()
);

create table space (
    id      bigint generated always as identity primary key,
    kind    text not null check (kind in ('user', 'session', 'group', 'global')),
    owner   text,
    session text,
    grp     text,
    unique nulls not distinct (kind, owner, session, grp),
    check (kind <> 'user'    or (owner   is not null and owner   <> '' and session is null and grp is null)),
    check (kind <> 'session' or (session is not null and session <> '' and owner   is null and grp is null)),
    check (kind <> 'group'   or (grp     is not null and grp     <> '' and owner   is null and session is null)),
    check (kind <> 'global'  or (owner is null and session is null and grp is null))
);

-- One answer of the agent, with all that was said for it. `messages` are message keys, the answer's last.
-- `parent` is the turn before it on its branch; `abandoned_at` says that the thread's newest branch left it behind.
create table turn (
    space        bigint not null references space,
    id           uuid not null,
    seq          bigint generated always as identity,
    machine      text not null,
    session      text not null,
    answer       text not null,
    messages     text[] not null,
    parent       uuid,
    scope        jsonb not null,
    shown        jsonb not null default '[]',
    recorded_at  timestamptz not null default clock_timestamp(),
    abandoned_at timestamptz,
    primary key (space, id)
);
create index turn_session on turn (space, machine, session, seq);

-- What was said, kept as evidence. `expires_at` is the retention date; none: kept.
create table message (
    space      bigint not null,
    id         bigint generated always as identity,
    turn       uuid not null,
    session    text not null,
    key        text not null,
    position   int not null,
    role       text not null check (role in ('user', 'assistant')),
    content    text not null,
    said_at    timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    primary key (space, turn, key),
    foreign key (space, turn) references turn (space, id) on delete cascade
);
create unique index message_id on message (space, id);
create index message_session on message (space, session, id);
create index message_expiry on message (space, expires_at) where expires_at is not null;

-- A turn was read by extraction: written in the transaction that wrote what was learned from it.
create table watermark (
    space   bigint not null,
    turn    uuid not null,
    batch   uuid not null,
    read_at timestamptz not null default clock_timestamp(),
    primary key (space, turn),
    foreign key (space, turn) references turn (space, id) on delete cascade
);

-- One thing learned, for one value. Content never changes after insert; a newer row in the same slot closes it.
-- true_from/true_to: when it holds in the world. known_from/known_to: when we knew it. `anchor`: the message it came from.
-- `found_by`: the text that search indexes, so that words and vectors can be made anew; none: it is not searched for.
create table learning (
    space         bigint not null references space,
    id            bigint generated always as identity,
    store         text not null,
    kind          text not null,
    subject       text not null default '',
    slot          text not null,
    name          text not null default '',
    target        text not null default '',
    value         jsonb,
    text          text not null,
    found_by      text,
    content_key   text not null,
    origin        text not null,
    trust         smallint not null,
    status        text not null check (status in ('active', 'retired', 'challenge', 'archived')),
    true_from     timestamptz,
    true_to       timestamptz,
    known_from    timestamptz not null default clock_timestamp(),
    known_to      timestamptz,
    session       text,
    turn          uuid,
    anchor        text,
    abandoned_at  timestamptz,
    actor         text,
    agent         text,
    batch         uuid not null,
    supersedes    bigint,
    superseded_by bigint,
    pinned        boolean not null default false,
    expires_at    timestamptz,
    primary key (space, id),
    check (known_to is null or known_to >= known_from)
);
-- The two backstops behind the gate's locks: one open row a slot, and no content twice.
create unique index learning_open_slot on learning (space, store, subject, slot)
    where known_to is null and status in ('active', 'retired');
create unique index learning_open_content on learning (space, store, subject, kind, content_key)
    where known_to is null and status = 'active';
create index learning_slot on learning (space, store, subject, slot, id);
create index learning_subject on learning (space, store, subject, known_from) where known_to is null;
create index learning_target on learning (space, store, target) where known_to is null and target <> '';
create index learning_id on learning (id);
create index learning_session on learning (space, session) where session is not null;
create index learning_abandoned on learning (space, store, subject) where abandoned_at is not null;
create index learning_superseded_by on learning (space, superseded_by) where superseded_by is not null;
create index learning_batch on learning (space, batch);

-- The words a learning stands on. They lie in the speaker's own space, so sharing a learning never shares its words.
create table evidence (
    space          bigint not null references space,
    id             bigint generated always as identity,
    learning_space bigint not null,
    learning       bigint,
    proposal       bigint,
    turn           uuid,
    message        text,
    quote          text not null,
    said_at        timestamptz,
    primary key (space, id),
    foreign key (learning_space, learning) references learning (space, id) on delete cascade
);
create index evidence_learning on evidence (space, learning);
create index evidence_proposal on evidence (space, proposal) where proposal is not null;

create table derived_from (
    space        bigint not null references space,
    learning     bigint not null,
    source_space bigint not null,
    source       bigint not null,
    primary key (space, learning, source_space, source),
    foreign key (space, learning) references learning (space, id) on delete cascade
);

-- What waits for a person. It stands apart from what is learned, so that nothing that reads learnings can see it.
-- `space` is where it would go, `speaker` whose words it came from; `change` is all that approving it would write.
create table proposal (
    space       bigint not null references space,
    id          bigint generated always as identity,
    speaker     bigint not null references space,
    machine     text not null,
    session     text,
    turn        uuid,
    scope       jsonb not null,
    store       text not null,
    kind        text not null,
    subject     text not null default '',
    change      jsonb not null,
    shown       jsonb not null,
    content_key text not null,
    mode        text not null check (mode in ('propose', 'hitl')),
    risk        text not null check (risk in ('low', 'medium', 'high')),
    origin      text not null,
    status      text not null default 'pending' check (status in ('pending', 'approved', 'rejected', 'expired')),
    proposed_at timestamptz not null default clock_timestamp(),
    expires_at  timestamptz,
    decided_at  timestamptz,
    decided_by  text,
    verdict     jsonb,
    learning    bigint,
    primary key (space, id)
);
create unique index proposal_open on proposal (space, store, subject, kind, content_key) where status = 'pending';
create index proposal_thread on proposal (speaker, session) where status = 'pending';
create index proposal_id on proposal (id);

-- Who else proposed the same, counted by person.
create table supporter (
    space      bigint not null,
    proposal   bigint not null,
    supporter  bigint not null references space,
    said_at    timestamptz not null default clock_timestamp(),
    primary key (space, proposal, supporter),
    foreign key (space, proposal) references proposal (space, id) on delete cascade
);

-- Every change of the ledger, for undo, audit and reports. The application's role can only add to it. The rows of a space
-- are a chain: `digest` covers the one before it and a salted digest of what changed, so that any tampering shows, and
-- erasing a payload (`before`, `after`, `salt`) leaves the chain verifiable.
create table change (
    space    bigint not null references space,
    id       bigint generated always as identity,
    place    bigint not null,
    learning bigint,
    proposal bigint,
    action   text not null,
    before   jsonb,
    after    jsonb,
    actor    text,
    origin   text not null,
    batch    uuid not null,
    at       timestamptz not null default clock_timestamp(),
    salt     bytea,
    payload  bytea not null,
    digest   bytea not null,
    primary key (space, id),
    unique (space, place)
);

-- What a row of the chain says: of what changed only a salted digest, so that the words can go and the chain stays.
create function payload_digest(salt bytea, before jsonb, after jsonb) returns bytea language sql immutable as $$
    select sha256(salt || convert_to(coalesce(before::text, '') || chr(10) || coalesce(after::text, ''), 'UTF8'))
$$;
create function change_digest(previous bytea, row_ change) returns bytea language sql stable as $$
    select sha256(previous || row_.payload || convert_to(concat_ws('|', row_.space, row_.place, row_.action, row_.learning, row_.proposal,
        row_.actor, row_.origin, row_.batch, extract(epoch from row_.at)), 'UTF8'))
$$;

-- Each row takes its place behind the last one of its space. Writers of one space wait for each other, others do not.
create function chain_change() returns trigger language plpgsql as $$
declare last change;
begin
    perform pg_advisory_xact_lock(hashtextextended('audit ' || new.space, 11));
    select * into last from change where space = new.space order by place desc limit 1;
    new.place := coalesce(last.place, 0) + 1;
    new.at := clock_timestamp();
    new.salt := uuid_send(gen_random_uuid());
    new.payload := payload_digest(new.salt, new.before, new.after);
    new.digest := change_digest(coalesce(last.digest, ''::bytea), new);
    return new;
end
$$;
create trigger chain_change before insert on change for each row execute function chain_change();

create index change_learning on change (space, learning);
create index change_batch on change (space, batch);

-- Why a job failed. The text names the kind of failure and never what a person said.
create table job_error (
    space   bigint not null references space,
    id      bigint generated always as identity,
    machine text not null,
    turn    uuid not null,
    attempt int not null,
    error   text not null,
    parked  boolean not null default false,
    at      timestamptz not null default clock_timestamp(),
    primary key (space, id)
);
create index job_error_turn on job_error (space, turn);

-- Model calls that learning made, where their number is limited. It says nothing of anybody.
create table spending (
    id      bigint generated always as identity primary key,
    machine text not null,
    tokens  bigint not null,
    at      timestamptz not null default clock_timestamp()
);
create index spending_machine on spending (machine, at);

-- What was erased, as salted digests, so that it is not brought back.
create table tombstone (
    space     bigint not null references space,
    digest    bytea not null,
    erased_at timestamptz not null default clock_timestamp(),
    primary key (space, digest)
);

-- Search, in side tables that can be rebuilt from the ledger at any time. `source` is a learning type, `message`, or
-- `name` (the names of entities). `weight` is the part of BM25 that depends on the text alone; the empty lexeme stands
-- in every text once, to count them. The weight lies in the key's index too, so that a word's texts are read in one piece.
create table posting (
    space  bigint not null references space,
    source text not null,
    lexeme text not null,
    item   bigint not null,
    weight real not null,
    primary key (space, source, lexeme, item) include (weight)
);
create index posting_item on posting (space, source, item);

create table embedding_model (
    id        int generated always as identity primary key,
    name      text not null unique,
    dimension int not null,
    active    boolean not null
);
create unique index embedding_model_active on embedding_model (active) where active;

create table embedding (
    space  bigint not null references space,
    item   bigint not null,
    source text not null,
    model  int not null references embedding_model,
    vector halfvec not null,
    primary key (space, model, source, item)
);

-- Does a row count where this conversation stands? `here`: keys of the messages in front of the agent; `line`: the
-- messages of the branch it stands on, or null when that is the thread's newest branch.
create function on_branch(row_session text, row_anchor text, row_abandoned timestamptz, session text, here text[], line text[])
returns boolean language sql immutable parallel safe as $$
    select case
        when row_session is null then true
        when row_session is distinct from session then row_abandoned is null
        when row_anchor = any (here) then true
        when line is null then row_abandoned is null
        else row_anchor = any (line)
    end
$$;

-- The branch a conversation stands on, as `recall.branch` found it: null on the thread's newest one.
create function standing_line() returns text[] language sql stable parallel safe as $$
    select nullif(current_setting('learning_machine.line', true), '')::text[]
$$;

-- How well the texts of one source fit some words: a score in the manner of BM25, and the share of the words that a text
-- covers, rare ones counting up to twice. `word` numbers the words, with a minus those that are not asked for by
-- themselves; of several lexemes for one word the best counts. A word in a fifth of all texts or more tells little and is
-- left out of the score while a rarer one is there that is asked for. Few texts say little about how rare a word is: they
-- count as fifty.
create function word_scores(source text, lexemes text[], words int[])
returns table (space bigint, item bigint, words float8, covered float8) language sql stable as $$
    with asked as (
        select lexeme, word, dense_rank() over (order by lexeme) as number from unnest($2, $3) as t (lexeme, word)
    ), size as (
        select count(*)::float8 as texts from (select from posting p where p.source = $1 and p.lexeme = '' limit 50000) as texts_seen
    ), hits as materialized (
        select p.space, p.item, a.number, p.weight
        from (select distinct lexeme, number from asked) a join posting p on p.source = $1 and p.lexeme = a.lexeme
    ), frequency as (
        select h.number, count(*)::float8 as df from hits h group by h.number
    ), word as (
        select a.word, coalesce(max(f.df), 0) as df from asked a left join frequency f using (number) group by a.word
    ), rarity as (
        select w.word, df < 0.2 * texts or texts < 20 or not exists (select from word, size where word > 0 and df > 0 and df < 0.2 * texts) as tells,
               case when w.word > 0 then 1 + ln(1 + (greatest(texts, 50, df) - df + 0.5) / (df + 0.5)) / ln(1 + (greatest(texts, 50) + 0.5) / 0.5)
               else 0 end as rarity
        from word w, size
    ), weighed as (
        select a.number, r.word, r.rarity, case when r.tells then ln(1 + (greatest(texts, df) - df + 0.5) / (df + 0.5)) else 0 end as idf
        from rarity r join asked a using (word) join frequency f using (number), size
    ), likely as materialized (
        select distinct h.space, h.item from hits h join weighed w using (number) where w.idf > 0
    ), parts as (
        select h.space, h.item, w.word, w.rarity, max(w.idf * h.weight) as part
        from hits h join likely using (space, item) join weighed w using (number)
        group by h.space, h.item, w.word, w.rarity
    )
    select p.space, p.item, sum(p.part), sum(p.rarity) / nullif((select sum(r.rarity) from rarity r), 0) from parts p group by p.space, p.item
$$;

-- Whether the nearest vectors are looked for in an index: there is one for the model, and the scope holds more than so many.
create function looks_in_index(source text, model int, exact_up_to int) returns boolean language sql stable as $$
    select case when to_regclass('embedding_nearest_' || $2) is null then false
                else (select count(*) > $3 from (select from embedding e where e.model = $2 and e.source = $1 limit $3 + 1) as vectors_seen) end
$$;

-- The nearest vectors of one source by the model's index, roughly in order. The scope's rows are picked while the index is
-- walked, which goes on until there are enough. Model and length are written into the query, so that the planner sees
-- that the index fits.
create function nearest_by_index(source text, model int, query halfvec, enough int)
returns table (space bigint, item bigint, distance float8) language plpgsql stable
set enable_sort = off set hnsw.iterative_scan = 'relaxed_order' set hnsw.ef_search = 200 set hnsw.max_scan_tuples = 200000
set hnsw.scan_mem_multiplier = 4 as $$
begin
    return query execute format(
        'select e.space, e.item, e.vector::halfvec(%1$s) <=> $2::halfvec(%1$s) from embedding e
         where e.model = %2$s and e.source = $1 order by e.vector::halfvec(%1$s) <=> $2::halfvec(%1$s) limit $3',
        (select dimension from embedding_model where id = model), model) using source, query, enough;
end
$$;

-- The gate in the database: what was learned is not rewritten, and a closed row stays closed.
create function keep_learning() returns trigger language plpgsql as $$
begin
    if (new.space, new.id, new.store, new.kind, new.subject, new.target, new.slot, new.name, new.text, new.content_key, new.origin, new.trust,
        new.known_from, new.batch, new.found_by) is distinct from
       (old.space, old.id, old.store, old.kind, old.subject, old.target, old.slot, old.name, old.text, old.content_key, old.origin, old.trust,
        old.known_from, old.batch, old.found_by)
       or (new.value, new.session, new.turn, new.anchor, new.actor, new.agent, new.true_from, new.supersedes) is distinct from
          (old.value, old.session, old.turn, old.anchor, old.actor, old.agent, old.true_from, old.supersedes) then
        raise exception 'the content of a learning cannot be changed: write a new one in its slot';
    end if;
    if (old.known_to is not null and new.known_to is distinct from old.known_to)
       or (old.superseded_by is not null and new.superseded_by is distinct from old.superseded_by) then
        raise exception 'a closed learning stays closed: write a new one in its slot';
    end if;
    return new;
end
$$;
create trigger keep_learning before update on learning for each row execute function keep_learning();

-- Row-level security, forced and fail-closed: without settings nothing but the (empty) global space is seen.
alter table space enable row level security;
alter table space force row level security;
create policy visible on space using (
    kind = 'global'
    or (kind = 'user'    and owner   = (select nullif(current_setting('learning_machine.user_id', true), '')))
    or (kind = 'session' and session = (select nullif(current_setting('learning_machine.session', true), '')))
    or (kind = 'group'   and grp = any ((select nullif(current_setting('learning_machine.groups', true), '')::text[])::text[]))
);

do $$
declare name text;
begin
    foreach name in array array['turn', 'message', 'watermark', 'learning', 'evidence', 'derived_from', 'proposal', 'supporter',
                                'change', 'job_error', 'tombstone', 'posting', 'embedding'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format($policy$create policy visible on %I using
            (space = any ((select nullif(current_setting('learning_machine.spaces', true), '')::bigint[])::bigint[]))$policy$, name);
    end loop;
end
$$;
