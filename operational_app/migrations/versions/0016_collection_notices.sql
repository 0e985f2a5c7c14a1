ALTER TABLE workbench.notification DROP CONSTRAINT ck_notification_notificationkind
;
ALTER TABLE workbench.notification ADD CONSTRAINT ck_notification_notificationkind CHECK (kind IN ('request_waits', 'request_due', 'request_result', 'role', 'expiry', 'collection', 'other'))
;
ALTER TABLE collection.filing_event DROP CONSTRAINT ck_filing_event_filingact
;
ALTER TABLE collection.filing_event ADD CONSTRAINT ck_filing_event_filingact CHECK (act IN ('submit', 'return', 'accept', 'correct', 'import', 'extend'))
