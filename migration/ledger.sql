-- What the migration knows about itself. Owned by the login `loader`; no other login reads it.

create table if not exists migration.run (
    run_id integer generated always as identity primary key,
    export_folder text not null,
    export_sha256 text not null, -- over the names and hashes of the export's files
    state text not null check (state in ('running', 'done', 'failed')),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);

create table if not exists migration.source (
    source_id smallint generated always as identity primary key,
    name text not null unique,
    title text not null,
    file text not null,
    source_table text
);

create table if not exists migration.source_target (
    source_id smallint not null references migration.source,
    target_no smallint not null,
    target_table text not null,
    primary key (source_id, target_no)
);

-- A source table of one run, once it is through.
create table if not exists migration.source_run (
    run_id integer not null references migration.run,
    source_id smallint not null references migration.source,
    file_sha256 text not null,
    mapping_version integer not null,
    row_count bigint not null,
    absent_count bigint not null, -- rows of a former export that this one no longer has; nothing is deleted for it
    seconds double precision not null,
    finished_at timestamptz not null default clock_timestamp(),
    primary key (run_id, source_id)
);

-- One row a source row and target (target_no 0 is the row's main target and carries the outcome that is counted). A row
-- that a newer export changed has a newer entry; the newest by ledger_id holds.
create table if not exists migration.ledger (
    ledger_id bigint generated always as identity,
    run_id integer not null,
    source_id smallint not null,
    row_number bigint not null, -- in the source table, from 1
    source_key text not null,
    occurrence smallint not null, -- 1, and 2 … where the source repeats a key
    row_hash bigint not null, -- of the source columns that the mapping uses
    outcome text not null check (outcome in ('loaded', 'merged', 'duplicate', 'quarantined')),
    target_no smallint not null,
    target_id bigint, -- null for quarantined
    target_version bigint, -- row_version that we wrote; another one there means that the app changed the row since
    value_hash bigint, -- of what must be found in the target's plain columns
    sealed_hash bigint, -- keyed, of what must be found in its encrypted columns
    reasons text[], -- code:column
    warnings text[],
    alternate_key text -- another key by which other sources refer to the row
) partition by list (source_id);

-- The newest entry of each row and target.
create or replace view migration.current_ledger as
select distinct on (source_id, source_key, occurrence, target_no) *
from migration.ledger
order by source_id, source_key, occurrence, target_no, ledger_id desc;

-- The original of a row that was not loaded: encrypted, it holds personal data.
create table if not exists migration.quarantine (
    quarantine_id bigint primary key,
    run_id integer not null references migration.run,
    source_id smallint not null references migration.source,
    row_number bigint not null,
    source_key text not null,
    occurrence smallint not null,
    reasons text[] not null,
    reason_text text not null, -- Chinese, without the row's values
    payload bytea not null,
    quarantined_at timestamptz not null default clock_timestamp(),
    resolved_run_id integer references migration.run -- the run that loaded it after all
);
create sequence if not exists migration.quarantine_id;
create index if not exists ix_quarantine_key on migration.quarantine (source_id, source_key);

-- Two elders that may be one person; a person decides.
create table if not exists migration.merge_candidate (
    merge_candidate_id bigint generated always as identity primary key,
    run_id integer not null references migration.run,
    elder_id bigint not null,
    other_elder_id bigint not null,
    score numeric(4, 3) not null,
    evidence text[] not null,
    state text not null default 'open' check (state in ('open', 'merged', 'rejected')),
    found_at timestamptz not null default clock_timestamp(),
    unique (elder_id, other_elder_id)
);

create table if not exists migration.reconciliation (
    run_id integer not null references migration.run,
    source_id smallint not null references migration.source,
    manifest_count bigint, -- rows that the export says the table has
    row_count bigint not null, -- rows read
    loaded_count bigint not null,
    merged_count bigint not null,
    duplicate_count bigint not null,
    quarantined_count bigint not null,
    target_count bigint not null, -- distinct target rows that the ledger names and the target has
    compared_count bigint not null, -- rows whose plain columns were compared
    mismatch_count bigint not null,
    sealed_compared_count bigint not null, -- rows whose encrypted columns were decrypted and compared
    sealed_mismatch_count bigint not null,
    is_complete boolean not null, -- adds up, and nothing differs
    checked_at timestamptz not null default clock_timestamp(),
    primary key (run_id, source_id)
);
