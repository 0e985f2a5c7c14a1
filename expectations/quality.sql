-- Results of the quality gate, by surrogate key. Every statement is safe to run again; nothing is dropped here.
create schema if not exists quality;

create table if not exists quality.gate_run (
    gate_run_id bigint generated always as identity primary key,
    period text not null,
    period_end date not null,
    as_of date not null,
    record_schema text not null,
    catalogue_sha256 text not null,
    required_fields_version text not null,
    state text not null default 'running' check (state in ('running', 'finished')),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    publishable boolean,
    accepted_by_figures boolean
);
comment on table quality.gate_run is 'One run of the gate over the records of a period.';
comment on column quality.gate_run.as_of is 'Business date of the cut-off: what lies after it lies in the future.';
comment on column quality.gate_run.catalogue_sha256 is 'Runs with the same fingerprint judged by the same rules.';

create table if not exists quality.rule_result (
    gate_run_id bigint not null references quality.gate_run,
    rule_id text not null,
    theme text not null,
    dimension text not null,
    severity text not null check (severity in ('critical', 'error', 'warning')),
    record_table text not null,
    checked_count bigint not null,
    violation_count bigint not null,
    problem text,
    primary key (gate_run_id, rule_id)
);
comment on column quality.rule_result.problem is
'Why the rule could not run: then it counts as critical, and every record as failing it.';

create table if not exists quality.theme_result (
    gate_run_id bigint not null references quality.gate_run,
    theme text not null,
    county_code text not null,
    record_count bigint not null,
    error_record_count bigint not null,
    field_due_count bigint not null,
    field_filled_count bigint not null,
    record_due_count bigint,
    record_present_count bigint,
    primary key (gate_run_id, theme, county_code)
);
comment on column quality.theme_result.county_code is 'Empty where a record belongs to no county.';

create table if not exists quality.violation (
    gate_run_id bigint not null,
    rule_id text not null,
    record_table text not null,
    record_id bigint not null,
    division_code text not null,
    county_code text not null,
    first_seen_on date not null
) partition by list (gate_run_id);
comment on table quality.violation is
'Which record broke which rule; one partition a run, so an old run is one to drop.';
comment on column quality.violation.record_id is 'Surrogate key; 0 where the record has none.';
comment on column quality.violation.division_code is 'The finest known division of the record; the city where none is.';

create table if not exists quality.first_seen (
    rule_id text not null,
    record_table text not null,
    record_id bigint not null,
    first_seen_on date not null,
    primary key (rule_id, record_table, record_id)
);
comment on table quality.first_seen is 'Since when a record is known to break a rule, over all runs.';
