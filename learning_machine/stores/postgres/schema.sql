-- The schema as PostgreSQL 18 sees it after all migrations: for reading alone, made by `make schema`.
-- The migrations are the truth. Who may do what is in grants.sql; the queue's tables lie in a schema of their own.

CREATE SCHEMA learning_machine;

CREATE FUNCTION learning_machine.chain_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE TABLE learning_machine.change (
    space bigint NOT NULL,
    id bigint NOT NULL,
    place bigint NOT NULL,
    learning bigint,
    proposal bigint,
    action text NOT NULL,
    before jsonb,
    after jsonb,
    actor text,
    origin text NOT NULL,
    batch uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    salt bytea,
    payload bytea NOT NULL,
    digest bytea NOT NULL
);

ALTER TABLE ONLY learning_machine.change FORCE ROW LEVEL SECURITY;

CREATE FUNCTION learning_machine.change_digest(previous bytea, row_ learning_machine.change) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
    select sha256(previous || row_.payload || convert_to(concat_ws('|', row_.space, row_.place, row_.action, row_.learning, row_.proposal,
        row_.actor, row_.origin, row_.batch, extract(epoch from row_.at)), 'UTF8'))
$$;

CREATE FUNCTION learning_machine.keep_learning() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION learning_machine.looks_in_index(source text, model integer, exact_up_to integer) RETURNS boolean
    LANGUAGE sql STABLE
    AS $_$
    select case when to_regclass('embedding_nearest_' || $2) is null then false
                else (select count(*) > $3 from (select from embedding e where e.model = $2 and e.source = $1 limit $3 + 1) as vectors_seen) end
$_$;

CREATE FUNCTION learning_machine.nearest_by_index(source text, model integer, query public.halfvec, enough integer) RETURNS TABLE(space bigint, item bigint, distance double precision)
    LANGUAGE plpgsql STABLE
    SET enable_sort TO 'off'
    SET "hnsw.iterative_scan" TO 'relaxed_order'
    SET "hnsw.ef_search" TO '200'
    SET "hnsw.max_scan_tuples" TO '200000'
    SET "hnsw.scan_mem_multiplier" TO '4'
    AS $_$
begin
    return query execute format(
        'select e.space, e.item, e.vector::halfvec(%1$s) <=> $2::halfvec(%1$s) from embedding e
         where e.model = %2$s and e.source = $1 order by e.vector::halfvec(%1$s) <=> $2::halfvec(%1$s) limit $3',
        (select dimension from embedding_model where id = model), model) using source, query, enough;
end
$_$;

CREATE FUNCTION learning_machine.on_branch(row_session text, row_anchor text, row_abandoned timestamp with time zone, session text, here text[], line text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select case
        when row_session is null then true
        when row_session is distinct from session then row_abandoned is null
        when row_anchor = any (here) then true
        when line is null then row_abandoned is null
        else row_anchor = any (line)
    end
$$;

CREATE FUNCTION learning_machine.payload_digest(salt bytea, before jsonb, after jsonb) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
    select sha256(salt || convert_to(coalesce(before::text, '') || chr(10) || coalesce(after::text, ''), 'UTF8'))
$$;

CREATE FUNCTION learning_machine.standing_line() RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select nullif(current_setting('learning_machine.line', true), '')::text[]
$$;

CREATE FUNCTION learning_machine.word_scores(source text, lexemes text[], words integer[]) RETURNS TABLE(space bigint, item bigint, words double precision, covered double precision)
    LANGUAGE sql STABLE
    AS $_$
    with asked as (
        select * from unnest($2, $3) as t (lexeme, word)
    ), size as (
        select count(*)::float8 as texts from (select from posting p where p.source = $1 and p.lexeme = '' limit 50000) as texts_seen
    ), hits as materialized (
        select p.space, p.item, p.lexeme, p.weight
        from (select distinct lexeme from asked) a join posting p on p.source = $1 and p.lexeme = a.lexeme
    ), frequency as (
        select h.lexeme, count(*)::float8 as df from hits h group by h.lexeme
    ), word as (
        select a.word, coalesce(max(f.df), 0) as df from asked a left join frequency f using (lexeme) group by a.word
    ), rarity as (
        select w.word, df < 0.2 * texts or texts < 20 or not exists (select from word, size where df > 0 and df < 0.2 * texts) as tells,
               case when w.word > 0 then 1 + ln(1 + (greatest(texts, 50, df) - df + 0.5) / (df + 0.5)) / ln(1 + (greatest(texts, 50) + 0.5) / 0.5)
               else 0 end as rarity
        from word w, size
    ), weighed as (
        select a.lexeme, r.word, r.rarity, case when r.tells then ln(1 + (greatest(texts, df) - df + 0.5) / (df + 0.5)) else 0 end as idf
        from rarity r join asked a using (word) join frequency f using (lexeme), size
    ), likely as materialized (
        select distinct h.space, h.item from hits h join weighed w using (lexeme) where w.idf > 0
    ), parts as (
        select h.space, h.item, w.word, w.rarity, max(w.idf * h.weight) as part
        from hits h join likely using (space, item) join weighed w using (lexeme)
        group by h.space, h.item, w.word, w.rarity
    )
    select p.space, p.item, sum(p.part), sum(p.rarity) / nullif((select sum(r.rarity) from rarity r), 0) from parts p group by p.space, p.item
$_$;

ALTER TABLE learning_machine.change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.derived_from (
    space bigint NOT NULL,
    learning bigint NOT NULL,
    source_space bigint NOT NULL,
    source bigint NOT NULL
);

ALTER TABLE ONLY learning_machine.derived_from FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.embedding (
    space bigint NOT NULL,
    item bigint NOT NULL,
    source text NOT NULL,
    model integer NOT NULL,
    vector public.halfvec NOT NULL
);

ALTER TABLE ONLY learning_machine.embedding FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.embedding_model (
    id integer NOT NULL,
    name text NOT NULL,
    dimension integer NOT NULL,
    active boolean NOT NULL
);

ALTER TABLE learning_machine.embedding_model ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.embedding_model_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.evidence (
    space bigint NOT NULL,
    id bigint NOT NULL,
    learning_space bigint NOT NULL,
    learning bigint,
    proposal bigint,
    turn uuid,
    message text,
    quote text NOT NULL,
    said_at timestamp with time zone
);

ALTER TABLE ONLY learning_machine.evidence FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.evidence ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.evidence_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.job_error (
    space bigint NOT NULL,
    id bigint NOT NULL,
    machine text NOT NULL,
    turn uuid NOT NULL,
    attempt integer NOT NULL,
    error text NOT NULL,
    parked boolean DEFAULT false NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.job_error FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.job_error ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.job_error_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.learning (
    space bigint NOT NULL,
    id bigint NOT NULL,
    store text NOT NULL,
    kind text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    slot text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    target text DEFAULT ''::text NOT NULL,
    value jsonb,
    text text NOT NULL,
    found_by text,
    content_key text NOT NULL,
    origin text NOT NULL,
    trust smallint NOT NULL,
    status text NOT NULL,
    true_from timestamp with time zone,
    true_to timestamp with time zone,
    known_from timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    known_to timestamp with time zone,
    session text,
    turn uuid,
    anchor text,
    abandoned_at timestamp with time zone,
    actor text,
    agent text,
    batch uuid NOT NULL,
    supersedes bigint,
    superseded_by bigint,
    pinned boolean DEFAULT false NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT learning_check CHECK (((known_to IS NULL) OR (known_to >= known_from))),
    CONSTRAINT learning_status_check CHECK ((status = ANY (ARRAY['active'::text, 'retired'::text, 'challenge'::text, 'archived'::text])))
);

ALTER TABLE ONLY learning_machine.learning FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.learning ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.learning_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.message (
    space bigint NOT NULL,
    id bigint NOT NULL,
    turn uuid NOT NULL,
    session text NOT NULL,
    key text NOT NULL,
    "position" integer NOT NULL,
    role text NOT NULL,
    content text NOT NULL,
    said_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT message_role_check CHECK ((role = ANY (ARRAY['user'::text, 'assistant'::text])))
);

ALTER TABLE ONLY learning_machine.message FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.message_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.posting (
    space bigint NOT NULL,
    source text NOT NULL,
    lexeme text NOT NULL,
    item bigint NOT NULL,
    weight real NOT NULL
);

ALTER TABLE ONLY learning_machine.posting FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.proposal (
    space bigint NOT NULL,
    id bigint NOT NULL,
    speaker bigint NOT NULL,
    machine text NOT NULL,
    session text,
    turn uuid,
    scope jsonb NOT NULL,
    store text NOT NULL,
    kind text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    change jsonb NOT NULL,
    shown jsonb NOT NULL,
    content_key text NOT NULL,
    mode text NOT NULL,
    risk text NOT NULL,
    origin text NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    proposed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone,
    decided_at timestamp with time zone,
    decided_by text,
    verdict jsonb,
    learning bigint,
    CONSTRAINT proposal_mode_check CHECK ((mode = ANY (ARRAY['propose'::text, 'hitl'::text]))),
    CONSTRAINT proposal_risk_check CHECK ((risk = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text]))),
    CONSTRAINT proposal_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text, 'expired'::text])))
);

ALTER TABLE ONLY learning_machine.proposal FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.proposal ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.proposal_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.queue_version (
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE learning_machine.schema_version (
    version integer NOT NULL,
    name text NOT NULL,
    oldest_code integer NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE learning_machine.space (
    id bigint NOT NULL,
    kind text NOT NULL,
    owner text,
    session text,
    grp text,
    CONSTRAINT space_check CHECK (((kind <> 'user'::text) OR ((owner IS NOT NULL) AND (owner <> ''::text) AND (session IS NULL) AND (grp IS NULL)))),
    CONSTRAINT space_check1 CHECK (((kind <> 'session'::text) OR ((session IS NOT NULL) AND (session <> ''::text) AND (owner IS NULL) AND (grp IS NULL)))),
    CONSTRAINT space_check2 CHECK (((kind <> 'group'::text) OR ((grp IS NOT NULL) AND (grp <> ''::text) AND (owner IS NULL) AND (session IS NULL)))),
    CONSTRAINT space_check3 CHECK (((kind <> 'global'::text) OR ((owner IS NULL) AND (session IS NULL) AND (grp IS NULL)))),
    CONSTRAINT space_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'session'::text, 'group'::text, 'global'::text])))
);

ALTER TABLE ONLY learning_machine.space FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.space ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.space_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.spending (
    id bigint NOT NULL,
    machine text NOT NULL,
    tokens bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE learning_machine.spending ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.spending_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.supporter (
    space bigint NOT NULL,
    proposal bigint NOT NULL,
    supporter bigint NOT NULL,
    said_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.supporter FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.tombstone (
    space bigint NOT NULL,
    digest bytea NOT NULL,
    erased_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.tombstone FORCE ROW LEVEL SECURITY;

CREATE TABLE learning_machine.turn (
    space bigint NOT NULL,
    id uuid NOT NULL,
    seq bigint NOT NULL,
    machine text NOT NULL,
    session text NOT NULL,
    answer text NOT NULL,
    messages text[] NOT NULL,
    parent uuid,
    scope jsonb NOT NULL,
    shown jsonb DEFAULT '[]'::jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    abandoned_at timestamp with time zone
);

ALTER TABLE ONLY learning_machine.turn FORCE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.turn ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME learning_machine.turn_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE learning_machine.watermark (
    space bigint NOT NULL,
    turn uuid NOT NULL,
    batch uuid NOT NULL,
    read_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY learning_machine.watermark FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY learning_machine.change
    ADD CONSTRAINT change_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.change
    ADD CONSTRAINT change_space_place_key UNIQUE (space, place);

ALTER TABLE ONLY learning_machine.derived_from
    ADD CONSTRAINT derived_from_pkey PRIMARY KEY (space, learning, source_space, source);

ALTER TABLE ONLY learning_machine.embedding_model
    ADD CONSTRAINT embedding_model_name_key UNIQUE (name);

ALTER TABLE ONLY learning_machine.embedding_model
    ADD CONSTRAINT embedding_model_pkey PRIMARY KEY (id);

ALTER TABLE ONLY learning_machine.embedding
    ADD CONSTRAINT embedding_pkey PRIMARY KEY (space, model, source, item);

ALTER TABLE ONLY learning_machine.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.job_error
    ADD CONSTRAINT job_error_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.learning
    ADD CONSTRAINT learning_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (space, turn, key);

ALTER TABLE ONLY learning_machine.posting
    ADD CONSTRAINT posting_pkey PRIMARY KEY (space, source, lexeme, item) INCLUDE (weight);

ALTER TABLE ONLY learning_machine.proposal
    ADD CONSTRAINT proposal_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.queue_version
    ADD CONSTRAINT queue_version_pkey PRIMARY KEY (name);

ALTER TABLE ONLY learning_machine.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version);

ALTER TABLE ONLY learning_machine.space
    ADD CONSTRAINT space_kind_owner_session_grp_key UNIQUE NULLS NOT DISTINCT (kind, owner, session, grp);

ALTER TABLE ONLY learning_machine.space
    ADD CONSTRAINT space_pkey PRIMARY KEY (id);

ALTER TABLE ONLY learning_machine.spending
    ADD CONSTRAINT spending_pkey PRIMARY KEY (id);

ALTER TABLE ONLY learning_machine.supporter
    ADD CONSTRAINT supporter_pkey PRIMARY KEY (space, proposal, supporter);

ALTER TABLE ONLY learning_machine.tombstone
    ADD CONSTRAINT tombstone_pkey PRIMARY KEY (space, digest);

ALTER TABLE ONLY learning_machine.turn
    ADD CONSTRAINT turn_pkey PRIMARY KEY (space, id);

ALTER TABLE ONLY learning_machine.watermark
    ADD CONSTRAINT watermark_pkey PRIMARY KEY (space, turn);

CREATE INDEX change_batch ON learning_machine.change USING btree (space, batch);

CREATE INDEX change_learning ON learning_machine.change USING btree (space, learning);

CREATE UNIQUE INDEX embedding_model_active ON learning_machine.embedding_model USING btree (active) WHERE active;

CREATE INDEX evidence_learning ON learning_machine.evidence USING btree (space, learning);

CREATE INDEX evidence_proposal ON learning_machine.evidence USING btree (space, proposal) WHERE (proposal IS NOT NULL);

CREATE INDEX job_error_turn ON learning_machine.job_error USING btree (space, turn);

CREATE INDEX learning_abandoned ON learning_machine.learning USING btree (space, store, subject) WHERE (abandoned_at IS NOT NULL);

CREATE INDEX learning_batch ON learning_machine.learning USING btree (space, batch);

CREATE INDEX learning_id ON learning_machine.learning USING btree (id);

CREATE UNIQUE INDEX learning_open_content ON learning_machine.learning USING btree (space, store, subject, kind, content_key) WHERE ((known_to IS NULL) AND (status = 'active'::text));

CREATE UNIQUE INDEX learning_open_slot ON learning_machine.learning USING btree (space, store, subject, slot) WHERE ((known_to IS NULL) AND (status = ANY (ARRAY['active'::text, 'retired'::text])));

CREATE INDEX learning_session ON learning_machine.learning USING btree (space, session) WHERE (session IS NOT NULL);

CREATE INDEX learning_slot ON learning_machine.learning USING btree (space, store, subject, slot, id);

CREATE INDEX learning_subject ON learning_machine.learning USING btree (space, store, subject, known_from) WHERE (known_to IS NULL);

CREATE INDEX learning_superseded_by ON learning_machine.learning USING btree (space, superseded_by) WHERE (superseded_by IS NOT NULL);

CREATE INDEX learning_target ON learning_machine.learning USING btree (space, store, target) WHERE ((known_to IS NULL) AND (target <> ''::text));

CREATE INDEX message_expiry ON learning_machine.message USING btree (space, expires_at) WHERE (expires_at IS NOT NULL);

CREATE UNIQUE INDEX message_id ON learning_machine.message USING btree (space, id);

CREATE INDEX message_session ON learning_machine.message USING btree (space, session, id);

CREATE INDEX posting_item ON learning_machine.posting USING btree (space, source, item);

CREATE INDEX proposal_id ON learning_machine.proposal USING btree (id);

CREATE UNIQUE INDEX proposal_open ON learning_machine.proposal USING btree (space, store, subject, kind, content_key) WHERE (status = 'pending'::text);

CREATE INDEX proposal_thread ON learning_machine.proposal USING btree (speaker, session) WHERE (status = 'pending'::text);

CREATE INDEX spending_machine ON learning_machine.spending USING btree (machine, at);

CREATE INDEX turn_session ON learning_machine.turn USING btree (space, machine, session, seq);

CREATE TRIGGER chain_change BEFORE INSERT ON learning_machine.change FOR EACH ROW EXECUTE FUNCTION learning_machine.chain_change();

CREATE TRIGGER keep_learning BEFORE UPDATE ON learning_machine.learning FOR EACH ROW EXECUTE FUNCTION learning_machine.keep_learning();

ALTER TABLE ONLY learning_machine.change
    ADD CONSTRAINT change_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.derived_from
    ADD CONSTRAINT derived_from_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.derived_from
    ADD CONSTRAINT derived_from_space_learning_fkey FOREIGN KEY (space, learning) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.embedding
    ADD CONSTRAINT embedding_model_fkey FOREIGN KEY (model) REFERENCES learning_machine.embedding_model(id);

ALTER TABLE ONLY learning_machine.embedding
    ADD CONSTRAINT embedding_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.evidence
    ADD CONSTRAINT evidence_learning_space_learning_fkey FOREIGN KEY (learning_space, learning) REFERENCES learning_machine.learning(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.evidence
    ADD CONSTRAINT evidence_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.job_error
    ADD CONSTRAINT job_error_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.learning
    ADD CONSTRAINT learning_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.message
    ADD CONSTRAINT message_space_turn_fkey FOREIGN KEY (space, turn) REFERENCES learning_machine.turn(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.posting
    ADD CONSTRAINT posting_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.proposal
    ADD CONSTRAINT proposal_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.proposal
    ADD CONSTRAINT proposal_speaker_fkey FOREIGN KEY (speaker) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.supporter
    ADD CONSTRAINT supporter_space_proposal_fkey FOREIGN KEY (space, proposal) REFERENCES learning_machine.proposal(space, id) ON DELETE CASCADE;

ALTER TABLE ONLY learning_machine.supporter
    ADD CONSTRAINT supporter_supporter_fkey FOREIGN KEY (supporter) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.tombstone
    ADD CONSTRAINT tombstone_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.turn
    ADD CONSTRAINT turn_space_fkey FOREIGN KEY (space) REFERENCES learning_machine.space(id);

ALTER TABLE ONLY learning_machine.watermark
    ADD CONSTRAINT watermark_space_turn_fkey FOREIGN KEY (space, turn) REFERENCES learning_machine.turn(space, id) ON DELETE CASCADE;

CREATE POLICY administered ON learning_machine.change TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.derived_from TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.embedding TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.evidence TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.job_error TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.learning TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.message TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.posting TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.proposal TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.space TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.supporter TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.tombstone TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.turn TO learning_machine_admin USING (true);

CREATE POLICY administered ON learning_machine.watermark TO learning_machine_admin USING (true);

ALTER TABLE learning_machine.change ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.derived_from ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.embedding ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.evidence ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.job_error ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.learning ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.message ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.posting ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.proposal ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.space ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.supporter ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.tombstone ENABLE ROW LEVEL SECURITY;

ALTER TABLE learning_machine.turn ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON learning_machine.change USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.derived_from USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.embedding USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.evidence USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.job_error USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.learning USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.message USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.posting USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.proposal USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.space USING (((kind = 'global'::text) OR ((kind = 'user'::text) AND (owner = ( SELECT NULLIF(current_setting('learning_machine.user_id'::text, true), ''::text) AS "nullif"))) OR ((kind = 'session'::text) AND (session = ( SELECT NULLIF(current_setting('learning_machine.session'::text, true), ''::text) AS "nullif"))) OR ((kind = 'group'::text) AND (grp = ANY (( SELECT (NULLIF(current_setting('learning_machine.groups'::text, true), ''::text))::text[] AS "nullif")::text[])))));

CREATE POLICY visible ON learning_machine.supporter USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.tombstone USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.turn USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

CREATE POLICY visible ON learning_machine.watermark USING ((space = ANY (( SELECT (NULLIF(current_setting('learning_machine.spaces'::text, true), ''::text))::bigint[] AS "nullif")::bigint[])));

ALTER TABLE learning_machine.watermark ENABLE ROW LEVEL SECURITY;
