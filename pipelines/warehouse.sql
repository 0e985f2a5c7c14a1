-- What the warehouse needs beside dbt's models. Every statement is safe to run again; nothing is ever dropped here.

-- raw: the change log as extracted, append-only. Its tables follow operational_app.core.changelog.log_tables().
create schema if not exists raw;

create table if not exists raw.extract_batch (
    batch_id bigint generated always as identity primary key,
    txid_from bigint not null,
    txid_to bigint not null,
    cut_off_at timestamptz not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    rows bigint
);
comment on table raw.extract_batch is
'One extraction. A finished batch is a cut-off: every change with change_txid < txid_to is in raw.';
comment on column raw.extract_batch.cut_off_at is 'When the app''s database stated txid_to: the as-of time of the cut-off.';

create table if not exists raw.extract_watermark (
    table_name text primary key,
    txid bigint not null,
    batch_id bigint not null references raw.extract_batch
);
comment on table raw.extract_watermark is
'Per table: changes below txid are loaded. Written in the transaction that loads them.';

-- store: the marts' rows, one table a mart, list-partitioned by version. Made by dbt's materialization `versioned`.
create schema if not exists store;

-- release: what was built, and which versions readers see.
create schema if not exists release;

create table if not exists release.build (
    build_id bigint generated always as identity primary key,
    cadence text not null check (cadence in ('monthly', 'half_yearly')),
    period text not null,
    lane text not null check (lane in ('provisional', 'official')),
    cut_off bigint not null,
    as_of timestamptz not null,
    state text not null default 'running' check (state in ('running', 'released', 'abandoned')),
    actor text not null,
    dagster_run_id text,
    git_commit text not null,
    orchestration_sha256 text not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);
comment on table release.build is 'One run of dbt: a period (and, the first time, the history before it) at a cut-off.';
comment on column release.build.state is 'released: has a row in release.release. What still runs when nobody holds the lock is dead.';

create table if not exists release.version (
    version_id bigint generated always as identity primary key,
    mart text not null,
    period text not null,
    build_id bigint not null references release.build,
    created_at timestamptz not null default clock_timestamp(),
    row_count bigint,
    dropped_at timestamptz,
    unique (build_id, mart, period)
);
comment on table release.version is
'Mart x period x build; a partition of store.<mart>. row_count is null until built; dropped_at when retention took it.';

create table if not exists release.release (
    release_id bigint generated always as identity primary key,
    build_id bigint references release.build,
    copy_of_release_id bigint references release.release,
    cadence text not null,
    period text not null,
    lane text not null,
    as_of timestamptz not null,
    cut_off bigint not null,
    git_commit text not null,
    orchestration_sha256 text not null,
    started_by text not null,
    state text not null check (state in ('candidate', 'rejected', 'published', 'superseded')),
    publishable boolean not null,
    accepted_by_figures boolean not null,
    completeness_numerator bigint not null,
    completeness_denominator bigint not null,
    error_numerator bigint not null,
    error_denominator bigint not null,
    critical_violations bigint not null,
    report_folder text,
    gate_run_id bigint,
    created_at timestamptz not null default clock_timestamp(),
    reviewed_by text,
    published_at timestamptz,
    check ((build_id is null) <> (copy_of_release_id is null))
);
comment on table release.release is
'A manifest with its verdicts. A rollback is a release too: a copy of an earlier one, with a number of its own.';

-- Installations from before the column: the gate ran between the build's start and the release's record. Looked for in
-- the catalog first, as `alter table` would wait for every reader.
do $$
begin
    if not exists (
        select from pg_attribute where attrelid = 'release.release'::regclass and attname = 'gate_run_id'
    ) then
        alter table release.release add column gate_run_id bigint;
        if to_regclass('quality.gate_run') is not null then
            update release.release as judged
            set gate_run_id = (
                select max(run.gate_run_id)
                from quality.gate_run as run
                where
                    run.state = 'finished' and run.period = judged.period
                    and run.started_at >= build.started_at and run.finished_at <= judged.created_at
            )
            from release.build as build
            where build.build_id = judged.build_id;
            -- A copy may be of a copy: what it shows was judged once.
            with recursive origin as (
                select release_id, gate_run_id from release.release where build_id is not null
                union all
                select copy.release_id, origin.gate_run_id
                from release.release as copy inner join origin on copy.copy_of_release_id = origin.release_id
            )
            update release.release as copy
            set gate_run_id = origin.gate_run_id
            from origin
            where origin.release_id = copy.release_id and copy.build_id is null;
        end if;
    end if;
end
$$;
comment on column release.release.gate_run_id is
'The gate run (quality.gate_run) that judged it; a rollback names the run of what it shows again.';

create unique index if not exists uq_release_build_id on release.release (build_id);

create table if not exists release.release_item (
    release_id bigint not null references release.release,
    mart text not null,
    period text not null,
    version_id bigint not null references release.version,
    lane text not null,
    as_of timestamptz not null,
    origin_release_id bigint not null references release.release,
    primary key (release_id, mart, period)
);
comment on table release.release_item is
'The manifest: for each mart and period the version that it pins, and the release that brought this version.';

create table if not exists release.current_release (
    cadence text primary key check (cadence in ('monthly', 'half_yearly')),
    release_id bigint not null references release.release
);
comment on table release.current_release is
'The release that the views in `published` show; monthly and half-yearly marts are released apart.';

create table if not exists release.event (
    event_id bigint generated always as identity primary key,
    happened_at timestamptz not null default clock_timestamp(),
    release_id bigint references release.release,
    action text not null,
    actor text not null,
    reason text,
    from_state text,
    to_state text,
    from_release_id bigint,
    to_release_id bigint
);
comment on table release.event is 'Who moved which release, when, why, from what to what. Append-only.';

create schema if not exists candidate;

-- published: what cockpits read; the only schema that the login cockpit may enter.
create schema if not exists published;
grant usage on schema published to huiyang_cockpit;
