drop index audit.ix_audit_event_happened_at
;
create index ix_audit_event_happened_at on audit.audit_event (happened_at, id)
;
create index ix_audit_event_account_id on audit.audit_event (account_id, happened_at, id)
;
create index ix_audit_event_action on audit.audit_event (action, happened_at, id)
;
create index ix_audit_event_target on audit.audit_event (target_table, target_id, happened_at, id)
;
create index ix_audit_event_remote_address on audit.audit_event (remote_address, happened_at, id)
;
create index ix_audit_event_not_success on audit.audit_event (happened_at, id) where outcome <> 'success'
;
create table audit.unsealed (
    event_id bigint not null,
    constraint pk_unsealed primary key (event_id)
)
;
create table audit.seal (
    number bigint not null,
    format bigint not null,
    first_event_id bigint not null,
    last_event_id bigint not null,
    event_count bigint not null,
    events_digest bytea not null,
    previous_head bytea not null,
    head bytea not null,
    sealed_at timestamp with time zone not null,
    kept_at timestamp with time zone,
    pruned_at timestamp with time zone,
    constraint pk_seal primary key (number),
    constraint uq_seal_previous_head unique (previous_head)
)
;
create index ix_seal_not_kept on audit.seal (number) where kept_at is null
;
create table audit.seal_entry (
    event_id bigint not null,
    seal_number bigint not null,
    digest bytea not null,
    constraint pk_seal_entry primary key (event_id),
    constraint fk_seal_entry_seal_number_seal foreign key (seal_number) references audit.seal (number)
)
;
create index ix_seal_entry_seal_number on audit.seal_entry (seal_number, event_id)
;
-- What was recorded before there was a seal waits for the first one.
insert into audit.unsealed (event_id) select id from audit.audit_event
;
create function audit.queue_events() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    insert into audit.unsealed (event_id) select id from added;
    return null;
end $$
;
revoke all on function audit.queue_events() from public
;
create trigger queue_events after insert on audit.audit_event referencing new table as added
    for each statement execute function audit.queue_events()
;
-- Key, time and transaction are the database's to say.
revoke all on audit.audit_event from huiyang_app, huiyang_loader, huiyang_inbox
;
grant insert (account_id, action, target_table, target_id, outcome, remote_address, details)
    on audit.audit_event to huiyang_app, huiyang_loader, huiyang_inbox
;
grant usage on schema audit to huiyang_sealer
;
grant select on audit.audit_event, audit.seal, audit.seal_entry, audit.unsealed to huiyang_sealer
;
grant insert on audit.seal, audit.seal_entry to huiyang_sealer
;
grant update (kept_at) on audit.seal to huiyang_sealer
;
grant delete on audit.unsealed to huiyang_sealer
;
grant select on audit.audit_event, audit.seal, audit.seal_entry to huiyang_app
;
create function audit.is_read_by_duty() returns boolean language sql stable set search_path = '' as $$
    select exists (
        select 1
        from identity.account_role as given
        join identity.role as role on role.id = given.role_id
        join identity.account as account on account.id = given.account_id
        where given.account_id = nullif(current_setting('huiyang.account_id', true), '')::bigint
            and given.revoked_at is null and given.duty = 'audit' and role.is_active and account.is_active
    )
$$
;
alter table audit.audit_event enable row level security
;
create policy is_written on audit.audit_event for insert to huiyang_app, huiyang_loader, huiyang_inbox with check (true)
;
create policy is_sealed on audit.audit_event for select to huiyang_sealer using (true)
;
create policy is_read_by_duty on audit.audit_event for select to huiyang_app using ((select audit.is_read_by_duty()))
;
alter table audit.seal enable row level security
;
create policy is_sealed on audit.seal to huiyang_sealer using (true) with check (true)
;
create policy is_read_by_duty on audit.seal for select to huiyang_app using ((select audit.is_read_by_duty()))
;
alter table audit.seal_entry enable row level security
;
create policy is_sealed on audit.seal_entry to huiyang_sealer using (true) with check (true)
;
create policy is_read_by_duty on audit.seal_entry for select to huiyang_app using ((select audit.is_read_by_duty()))
