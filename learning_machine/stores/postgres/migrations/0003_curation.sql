-- Curation: what it planned and did, why something is no longer shown, what a judge said, and how strong learnings are.
-- oldest code: 1

-- One run over one space; `id` is the run's, the same in every space it went over, and the batch of what it changed.
-- `plan` names learnings by id and holds no words but those of an insight that waits to be written.
create table curation (
    space   bigint not null references space,
    id      uuid not null,
    machine text not null,
    plan    jsonb not null,
    made_at timestamptz not null default clock_timestamp(),
    ran_at  timestamptz,
    report  jsonb,
    primary key (space, id)
);
create index curation_made on curation (space, machine, made_at);

-- What curation took out of recall. `survivor`: the learning that says the same, and whose evidence this one's now is too.
-- A row counts as long as its learning is archived, so that taking it back needs nothing here.
create table archived (
    space    bigint not null references space,
    learning bigint not null,
    survivor bigint,
    reason   text not null,
    batch    uuid not null,
    at       timestamptz not null default clock_timestamp(),
    primary key (space, learning, batch),
    foreign key (space, learning) references learning (space, id) on delete cascade
);
create index archived_survivor on archived (space, survivor) where survivor is not null;

-- Whether two learnings say the same, as a model saw it: asked once, because what they say never changes.
create table judged (
    space bigint not null references space,
    one   bigint not null,
    other bigint not null,
    same  boolean not null,
    at    timestamptz not null default clock_timestamp(),
    primary key (space, one, other),
    check (one < other),
    foreign key (space, one) references learning (space, id) on delete cascade,
    foreign key (space, other) references learning (space, id) on delete cascade
);
create index judged_other on judged (space, other);

-- How strong a learning is: at a moment, two to the power of minus the days since `since` divided by `half_life`. Computed
-- anew by every run, from use and confirmation; what has no row does not fade.
create table strength (
    space     bigint not null references space,
    learning  bigint not null,
    since     timestamptz not null,
    half_life real not null check (half_life > 0),
    primary key (space, learning),
    foreign key (space, learning) references learning (space, id) on delete cascade
);

-- A learning and all that was merged into it, near and far: whose words are its evidence.
create function merged_into(in_space bigint, survivor_ bigint) returns setof bigint language sql stable as $$
    with recursive merged as (
        select survivor_ as learning
        union
        select a.learning from merged m join archived a on a.space = in_space and a.survivor = m.learning
        join learning l on l.space = a.space and l.id = a.learning and l.status = 'archived'
    )
    select learning from merged
$$;

do $$
declare name text;
begin
    foreach name in array array['curation', 'archived', 'judged', 'strength'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format($policy$create policy visible on %I using
            (space = any ((select nullif(current_setting('learning_machine.spaces', true), '')::bigint[])::bigint[]))$policy$, name);
    end loop;
end
$$;
